"""What is said of a study where it ends."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.cli import outcome


def test_what_was_found_is_said_as_far_as_it_is_known() -> None:
    class Task:
        classes = ("a", "b", "c", "d")

    class Work:
        task = Task()

    found = outcome.found({"val_accuracy": 0.5}, {"test_accuracy/last": 0.25, "test_accuracy/best": 0.75}, Work())  # type: ignore[arg-type]
    assert found == (
        "validation 50.0% at the last epoch, test 25.0% at the last epoch, "
        "75.0% at the best by validation (chance 25.0%)"
    )
    assert outcome.found({"agreement/source": 1.0}, {}, Work()) == "no real images to evaluate on"  # type: ignore[arg-type]


EFFECT: dict[str, Any] = {
    "contrast": "a against b",
    "metric": "val_accuracy",
    "difference": 0.021,
    "t_low": -0.001,
    "t_high": 0.043,
    "p_holm": 0.0612,
    "pairs": 5,
    "lost": 0,
    "verdict": "cannot be told apart at this budget",
}


def test_effects_are_of_the_first_objective_in_points() -> None:
    rows = [EFFECT, {**EFFECT, "metric": "kl/noise", "difference": 0.4}]
    head, line = outcome.effects(rows)
    assert head == "effects on val_accuracy, 95 % intervals, p by the paired t test after Holm:"
    assert line == "  a against b: +2.1 [-0.1, +4.3] points, p 0.0612, 5 pairs: cannot be told apart at this budget"
    assert list(outcome.effects([])) == ["no effects yet"]


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"t_low": None, "t_high": None, "p_holm": None, "pairs": 1, "lost": 4, "verdict": "too few pairs to tell"},
            "  a against b: +2.1 points, 1 pairs, 4 lost: too few pairs to tell",
        ),
        (
            {"difference": None, "lost": 5, "verdict": "too few pairs to tell"},
            "  a against b: too few pairs to tell (5 pairs lost)",
        ),
        (
            {"metric": "kl/noise", "verdict": "hurts"},
            "  a against b: +0.021 [-0.001, +0.043], p 0.0612, 5 pairs: hurts",
        ),
    ],
)
def test_what_is_not_known_of_an_effect_is_left_out(changes: dict[str, Any], line: str) -> None:
    assert list(outcome.effects([{**EFFECT, **changes}]))[1:] == [line]


NOTE: dict[str, Any] = {
    "table": "x/table3",
    "title": "What it adds",
    "source": "Ada et al., ICML 2001, Table 3",
    "column": "cub200",
    "scale": "paper",
    "unit": "points",
    "metric": "test_accuracy/last",
    "cells": [
        {
            "row": "baseline",
            "published": 51.34,
            "mark": "read",
            "measured": 41.26,
            "t_low": 39.0,
            "t_high": 43.52,
            "n": 5,
            "difference": -10.08,
        },
        {
            "row": "+A",
            "published": 54.2,
            "mark": "secondary",
            "measured": None,
            "t_low": None,
            "t_high": None,
            "n": 0,
            "difference": None,
        },
    ],
    "claims": [
        {
            "text": "A helps",
            "by": "table",
            "published": 2.86,
            "difference": 1.04,
            "t_low": 0.2,
            "t_high": 1.88,
            "pairs": 5,
            "verdict": "holds here",
        },
        {
            "text": "A hurts",
            "by": "text",
            "published": 0.1,
            "difference": None,
            "t_low": None,
            "t_high": None,
            "pairs": 0,
            "verdict": "cannot be told",
        },
    ],
}


def test_published_and_measured_stand_in_columns() -> None:
    assert list(outcome.beside(NOTE)) == [
        "Ada et al., ICML 2001, Table 3, cub200, beside test_accuracy/last here, in points:",
        "                    published      measured here  n  difference",
        "  baseline              51.34  41.3 [39.0, 43.5]  5       -10.1",
        "  +A        54.20 (secondary)                  -  0           -",
        "what the table claims, each by its own 95 % interval:",
        "  holds here: A helps (published +2.86, here +1.0 [+0.2, +1.9], 5 pairs)",
        "  cannot be told: A hurts (published +0.10, here nothing measured, 0 pairs)",
    ]


def test_another_scale_is_said_and_a_study_without_a_table_says_nothing() -> None:
    elsewhere = list(outcome.beside({**NOTE, "scale": "gliders", "column": None, "claims": []}))
    assert "mean of the columns that can be run again" in elsewhere[0]
    assert elsewhere[1] == "  (on gliders, a task of another scale: compare the claims, not the numbers)"
    assert len(elsewhere) == 5
    assert list(outcome.beside(None)) == []
