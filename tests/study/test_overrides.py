"""A small try of a study without a copy of its file."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.study.overrides import NO_OVERRIDES, Overrides
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Document

SWEEP: dict[str, Any] = {
    "study": "s",
    "search": {"a.b": {"choice": [1, 2]}},
    "fixed": {"schedule.epochs": 9, "x.y": 1},
    "budget": {"trials": 12, "hours": 2},
}
ABLATION: dict[str, Any] = {
    "study": "a",
    "design": "leave_one_out",
    "seeds": {"start": 5, "max": 10},
    "arms": {"long": {"method": "fast", "schedule.epochs": 400}, "plain": {"method": "cmi"}},
}


def over(raw: Any, **said: Any) -> Any:
    before = repr(raw)
    made = Overrides(**said).over(Document(raw, file="f.yaml", lines={"study": 1}))
    assert repr(raw) == before, "the document is as it was"
    assert (made.file, made.lines) == ("f.yaml", {"study": 1})
    return made.data


def test_a_sweep_with_other_trials_epochs_and_changes() -> None:
    assert over(SWEEP, trials=2)["budget"] == {"trials": 2, "hours": 2}
    assert over({"study": "s"}, trials=2)["budget"] == {"trials": 2}
    assert over(SWEEP, epochs=1)["fixed"] == {"schedule.epochs": 1, "x.y": 1}
    made = over(SWEEP, epochs=1, changes={"x.y": 3, "z": None})
    assert made["fixed"] == {"schedule.epochs": 1, "x.y": 3, "z": None}
    assert {key: made[key] for key in ("study", "search", "budget")} == {
        key: SWEEP[key] for key in ("study", "search", "budget")
    }


def test_a_length_given_twice_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"^--epochs: schedule.epochs is given twice$"):
        over(SWEEP, epochs=1, changes={"schedule.epochs": 2})


@pytest.mark.parametrize(
    ("task", "name"),
    [("cifar10", "s-cifar10"), ("/a/my birds.yaml", "s-my-birds"), ("folder:/a/birds@64", "s-birds-64")],
)
def test_a_study_of_another_task_is_another_study(task: str, name: str) -> None:
    assert over({**SWEEP, "task": "gliders"}, task=task) == {**SWEEP, "task": task, "study": name}


def test_its_own_task_changes_nothing() -> None:
    assert over({**SWEEP, "task": "gliders"}, task="gliders") == {**SWEEP, "task": "gliders"}


def test_a_published_table_keeps_its_task() -> None:
    with pytest.raises(ConfigError, match=r"^--task: a published table is of its own task, by --column and --scale$"):
        over({**ABLATION, "published": {"table": "t"}}, task="gliders")


def test_an_ablation_with_other_seeds_and_epochs_in_every_arm() -> None:
    assert over(ABLATION, seeds=2)["seeds"] == 2
    made = over(ABLATION, epochs=1)
    assert made["fixed"] == {"schedule.epochs": 1}
    assert made["arms"] == {"long": {"method": "fast", "schedule.epochs": 1}, "plain": {"method": "cmi"}}


def test_seeds_may_be_added_until_something_is_told() -> None:
    assert over(ABLATION, until="told")["seeds"] == {"start": 5, "max": 10, "until": "told"}
    assert over(ABLATION, until=2.0)["seeds"] == {"start": 5, "max": 10, "until": 2.0}
    assert over(ABLATION, seeds=3, until="told")["seeds"] == {"start": 3, "max": 12, "until": "told"}
    assert over({**ABLATION, "seeds": 5}, until="told")["seeds"] == {"start": 5, "max": 20, "until": "told"}
    with pytest.raises(ConfigError, match=r"^--until: adds seeds to a number of them, .* say --seeds$"):
        over({**ABLATION, "seeds": [0, 7]}, until="told")
    with pytest.raises(ConfigError, match=r"^--until: is for an ablation, whose arms get more seeds$"):
        over(SWEEP, until="told")


def test_what_a_study_of_its_kind_does_not_have_is_refused() -> None:
    assert over(SWEEP, seeds=2)["seeds"] == 2, "a sweep may have several, too"
    with pytest.raises(ConfigError, match=r"^--trials: is for a sweep: .* so say --seeds$"):
        over(ABLATION, trials=2)


def test_nothing_said_changes_nothing() -> None:
    for raw in (SWEEP, ABLATION, None, [1]):
        document = Document(raw)
        assert NO_OVERRIDES.over(document) is document
    assert Overrides(trials=1).over(Document([1])).data == [1], "what is no study is told elsewhere"
    assert over({"study": "s", "budget": 3, "fixed": "x"}, trials=1, epochs=2) == {
        "study": "s",
        "budget": {"trials": 1},
        "fixed": {"schedule.epochs": 2},
    }
