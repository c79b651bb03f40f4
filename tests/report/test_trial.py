"""One trial as its row has it, and which way an objective is better."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.report.trial import Goal, TrialRow
from tests.report.studies import study, trial


def only(**given: Any) -> TrialRow:
    (found,) = study([trial(3, **given)]).all
    return found


@pytest.mark.parametrize(("mode", "sign", "better"), [("max", 1, True), ("min", -1, False)])
def test_an_objective_says_which_of_two_values_is_better(mode: str, sign: int, better: bool) -> None:
    objective = Goal("val_accuracy", mode)
    assert objective.sign == sign
    assert objective.better(0.6, 0.5) == better
    assert objective.better(0.5, 0.6) != better
    assert not objective.better(0.5, 0.5)


def test_the_first_objective_is_the_value() -> None:
    assert TrialRow(0, "complete", None, {}, (0.5, None), {}).value == 0.5
    assert TrialRow(0, "complete", None, {}, (None, 0.5), {}).value is None
    assert [TrialRow(0, state, None, {}, (), {}).complete for state in ("complete", "pruned", "")] == [
        True,
        False,
        False,
    ]


def test_final_values_that_are_missing_are_left_out() -> None:
    assert only(final=[("a", 0.5), ("b", None), ("c", 0.0)]).final == {"a": 0.5, "c": 0.0}
    assert only(final=None).final == {}


def test_a_pair_is_seed_and_draw_and_a_missing_one_counts_as_the_first() -> None:
    assert only(seed=4, draw=1).pair == (4, 1)
    assert only(seed=None, draw=None).pair == (0, 0)


def test_a_trial_of_tuning_number_0_is_one_too() -> None:
    assert [only(tuning=number).tuning for number in (0, 3, None)] == [True, True, False]


@pytest.mark.parametrize(
    ("reason", "origin"),
    [
        ("reused: reports/first, trial 3", "reports/first, trial 3"),
        ("not reused: reports/first", None),
        ("reused: ", None),
        ("asha: epoch 4", None),
        (None, None),
    ],
)
def test_a_reused_trial_names_the_one_that_it_was_taken_from(reason: str | None, origin: str | None) -> None:
    assert only(reason=reason).reused == origin
