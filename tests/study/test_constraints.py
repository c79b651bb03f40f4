"""Bounds on metrics and costs: read, written, and refused with the reason."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray import study
from dfkd_ray.study.constraints import Constraint, parse, plain
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Document


def test_a_bound_is_read_from_above_and_from_below() -> None:
    found = parse({"seconds": "<= 60", "peak_memory": "<=2e9", "val_accuracy": " >= 0.5 "})
    assert found == (
        Constraint("seconds", True, 60.0),
        Constraint("peak_memory", True, 2e9),
        Constraint("val_accuracy", False, 0.5),
    )
    assert [found[0].excess(value) for value in (59.0, 60.0, 61.0)] == [-1.0, 0.0, 1.0]
    assert [found[2].excess(value) for value in (0.25, 0.5, 0.75)] == [0.25, 0.0, -0.25]


@given(st.booleans(), st.floats(allow_nan=False, allow_infinity=False))
def test_what_is_written_is_read_again(most: bool, bound: float) -> None:
    written = (Constraint("seconds", most, bound),)
    assert parse(plain(written)) == written


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (3, 'expected {metric: bound}, such as {seconds: "<= 60"}, got 3'),
        ({"seconds": 60}, 'seconds: expected a bound such as "<= 60" or ">= 0.5", got 60'),
        ({"seconds": "< 60"}, "seconds: expected a bound such as"),
        ({"seconds": "<= 1e999"}, "seconds: expected a bound such as"),
        ({"seconds": "<= 1-2"}, "seconds: expected a bound such as"),
        ({"test_accuracy/last": ">= 0.5"}, "test_accuracy/last: the test split is for the report alone"),
        ({"updates/student": "<= 60"}, "updates/student: is measured once, at the end"),
    ],
)
def test_refusals(raw: Any, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(raw)
    assert message in str(refused.value)


def test_a_study_keeps_them_and_an_ablation_has_none() -> None:
    parts = {"study": "s", "method": "m", "task": "t", "objective": {"metric": "val_accuracy"}}
    sweep = {**parts, "search": {"a": {"log": [1, 2]}}, "budget": {"trials": 3}}
    assert "constraints" not in study.plain(study.parse(Document(sweep)))
    made = study.parse(Document({**sweep, "constraints": {"seconds": "<= 60"}}))
    assert study.plain(made)["constraints"] == {"seconds": "<= 60"}
    assert study.parse(Document(study.plain(made))) == made
    ablation = {**parts, "arms": {"one": {}, "two": {"a": 1}}, "seeds": 2}
    with pytest.raises(ConfigError, match="constraints: are for what a sweep may choose"):
        study.parse(Document({**ablation, "constraints": {"seconds": "<= 6"}}))
