"""What an edited file changes in the fold over a study's records; the whole is tested in test_growing.py."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray.study.domains import Uniform
from dfkd_ray.study.specs import Asha, Cmaes, Median, NoStopper, Tpe
from dfkd_ray.tune.amending import compared, guarded, ranks_of, remembers, with_parts
from dfkd_ray.tune.history import read_history
from tests.tune import toys


def test_a_sampler_remembers_what_it_noted_unless_it_is_another() -> None:
    made = toys.study()
    wider = replace(made, search={**made.search, "y": Uniform(0, 1)})
    assert remembers(made, wider)
    assert not remembers(made, replace(made, sampler=Tpe(startup=4)))
    cma = replace(toys.study({"{name: tpe, startup: 3}": "random"}), search={"x": Uniform(0, 1), "z": Uniform(0, 1)})
    cma = replace(cma, sampler=Cmaes())
    assert remembers(cma, cma)
    assert not remembers(cma, replace(cma, search={**cma.search, "y": Uniform(0, 1)})), "its state is of one space"


@pytest.mark.parametrize("stopper", [Asha(grace=1, reduction=2), Median(trials=1)])
def test_ranks_of_a_new_stopper_are_those_it_would_have_kept(tmp_path: Path, stopper: Asha | Median) -> None:
    name = {Asha: "{name: asha, grace: 1, reduction: 2}", Median: "{name: median, trials: 1}"}[type(stopper)]
    toys.start(toys.study({"{name: asha, grace: 1, reduction: 2}": name}), toys.Toy(), tmp_path / "toy")
    history = read_history(tmp_path / "toy")
    again = ranks_of(history.study, history.trials.values())
    assert again is not None
    assert history.ranks is not None
    for epoch in range(1, 5):
        assert list(again.at(epoch)) == list(history.ranks.at(epoch))
    assert ranks_of(replace(history.study, stopper=NoStopper()), history.trials.values()) is None


def test_what_a_stopper_compares() -> None:
    plain, free = toys.study(), toys.study({"val_accuracy": "kl/noise"})
    assert compared("val_accuracy", guarded(plain), ["a", "val_accuracy"], [1.0, 0.5]) == 0.5
    assert compared("val_accuracy", guarded(plain), ["a"], [1.0]) is None
    degenerate = ["kl/noise", "class_entropy/own"]
    assert compared("kl/noise", guarded(free), ["kl/noise"], [0.5]) == 0.5
    assert math.isnan(compared("kl/noise", guarded(free), *_one_class(degenerate)) or 0.0)


def _one_class(names: list[str]) -> tuple[list[str], list[float]]:
    from dfkd_ray import metrics

    return [names[0], metrics.CLASS_ENTROPY], [0.5, 0.0]


def test_parts_come_and_go() -> None:
    there = {"parts": {"a": {"digest": "1"}, "b": {"digest": "2"}}, "versions": {}}
    assert with_parts(there, {"b": None, "c": {"digest": "3"}}) == {
        "parts": {"a": {"digest": "1"}, "c": {"digest": "3"}},
        "versions": {},
    }
    assert with_parts({}, {}) == {"parts": {}}
