"""Which trial of a front is taken: read, written, and refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray import study
from dfkd_ray.study.constraints import Constraint
from dfkd_ray.study.pick import FIRST, Pick, parse, plain
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Document

TWO = [{"metric": "val_accuracy"}, {"metric": "kl/noise"}]
SWEEP = {"study": "s", "method": "m", "task": "t", "search": {"a": {"log": [1, 2]}}, "budget": {"trials": 3}}
BOUND = {"constraint": {"kl/noise": "<= 0.5"}}


@pytest.mark.parametrize(
    ("raw", "made"),
    [("first", FIRST), ("knee", Pick("knee")), (BOUND, Pick("constraint", (Constraint("kl/noise", True, 0.5),)))],
)
def test_a_rule_is_read_and_written(raw: Any, made: Pick) -> None:
    assert parse(raw) == made
    assert plain(made) == raw
    whole = study.parse(Document({**SWEEP, "objective": TWO, "best": raw}))
    assert study.plain(whole)["best"] == raw
    assert study.parse(Document(study.plain(whole))) == whole


def test_a_bound_is_a_floor_of_its_objective_higher_is_better() -> None:
    objectives = study.parse(Document({**SWEEP, "objective": TWO})).objective
    assert parse(BOUND).floors(objectives) == (None, -0.5)
    assert str(parse(BOUND)) == "constraint kl/noise <= 0.5"
    assert str(FIRST) == "first"


def test_a_study_of_one_objective_does_not_say() -> None:
    assert "best" not in study.plain(study.parse(Document({**SWEEP, "objective": TWO[0]})))


@pytest.mark.parametrize(
    ("best", "objective", "message"),
    [
        ("kne", TWO, "best: no such rule: 'kne'; did you mean 'knee'?"),
        ("constraint", TWO, "best: expected first, knee, or {constraint: {metric: bound}} on objectives, such as"),
        (3, TWO, "best: expected first, knee, or {constraint: {metric: bound}} on objectives, such as"),
        ({"constraint": {"kl/noise": 3}}, TWO, 'best.constraint.kl/noise: expected a bound such as "<= 60"'),
        ({"constraint": {"kl/nose": "<= 1"}}, TWO, "kl/nose: is no objective; did you mean 'kl/noise'?"),
        ({"constraint": {"val_accuracy": ">= 1"}}, TWO, "is the first objective, by which the best of the others is"),
        ({"constraint": {"kl/noise": ">= 1"}}, TWO, "kl/noise: >= 1 keeps away what is better: min is asked for"),
        ("knee", TWO[0], "best: knee is for several objectives, and there is one: val_accuracy"),
    ],
)
def test_refusals(best: Any, objective: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        study.parse(Document({**SWEEP, "objective": objective, "best": best}))
    assert message in str(refused.value)
