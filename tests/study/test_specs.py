"""Samplers and stoppers as a study file names them: inert, and refused where their numbers make no sense."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields, is_dataclass
from typing import Any

import pytest

from dfkd_ray.study.specs import Asha, Cmaes, Gp, Grid, Median, NoStopper, Nsga2, Optunahub, Tpe, samplers, stoppers

NEEDED: dict[type[Any], dict[str, Any]] = {Optunahub: {"package": "samplers/mine"}}  # what has no default


@pytest.mark.parametrize("kind", [*(samplers[name] for name in samplers), *(stoppers[name] for name in stoppers)])
def test_a_spec_is_frozen_and_has_a_default_for_all_that_it_takes(kind: type[Any]) -> None:
    assert is_dataclass(kind)
    spec = kind(**NEEDED.get(kind, {}))
    assert spec == kind(**NEEDED.get(kind, {}))
    for field in fields(kind):
        with pytest.raises(FrozenInstanceError):
            setattr(spec, field.name, 1)


@pytest.mark.parametrize("name", list(samplers))
def test_a_sampler_has_a_seed_and_says_whether_it_takes_several_objectives(name: str) -> None:
    assert samplers[name].seed == 0
    assert isinstance(samplers[name].multi_objective, bool)


def test_these_take_one_objective_alone() -> None:
    """As Optuna has it: its CMA-ES and its Gaussian process here are for one."""
    assert {name for name in samplers if not samplers[name].multi_objective} == {"cmaes"}


@pytest.mark.parametrize("name", list(stoppers))
def test_a_stopper_has_a_grace(name: str) -> None:
    assert stoppers[name]().grace == {"none": 0, "median": 1, "asha": 3}[name]


@pytest.mark.parametrize(
    ("kind", "given", "message"),
    [
        (Tpe, {"startup": 0}, "startup must be >= 1, got 0"),
        (Tpe, {"candidates": 0}, "candidates must be >= 1, got 0"),
        (Tpe, {"seen": 199}, "seen must be >= 200, got 199"),
        (Cmaes, {"population": 2}, "population must be >= 3, got 2"),
        (Gp, {"startup": -1}, "startup must be >= 1, got -1"),
        (Nsga2, {"population": 1}, "population must be >= 2, got 1"),
        (Median, {"grace": 0}, "grace must be >= 1, got 0"),
        (Median, {"trials": 0}, "trials must be >= 1, got 0"),
        (Asha, {"grace": 0}, "grace must be >= 1, got 0"),
        (Asha, {"reduction": 1}, "reduction must be >= 2, got 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused_and_the_least_that_do_are_not(
    kind: type[Any], given: dict[str, int], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        kind(**given)
    least = {name: int(message.split(">= ")[1].partition(",")[0]) for name in given}
    assert kind(**least)


def test_a_population_that_the_sampler_chooses_itself_is_none() -> None:
    assert Cmaes().population is None
    assert (Grid().shuffle, NoStopper().grace) == (True, 0)
