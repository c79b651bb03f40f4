"""Which trials win, as the records come in."""

from __future__ import annotations

import pytest

from dfkd_ray.tune.history import History
from tests.tune.test_history import MULTI, asked, ended, records, row


def test_the_front_of_several_objectives() -> None:
    values = {0: [0.5, 0.5], 1: [0.6, 0.6], 2: [0.4, 0.6], 3: [0.5, 0.5]}  # accuracy up, divergence down
    ends = [record for t, v in values.items() for record in (asked(t), row(t, 1, 0.1), ended(t, "complete", v))]
    history = History([*records(MULTI), *ends])
    assert [trial.number for trial in history.front()] == [0, 1, 3]
    best = history.best()
    assert best is not None
    assert best.number == 1


def test_a_tie_in_the_first_objective_is_broken_by_the_second() -> None:
    """The one that is announced is on the front, so that its student is kept."""
    values = {0: [0.6, 0.7], 1: [0.6, 0.5], 2: [0.6, 0.5]}  # accuracy up, divergence down
    ends = [record for t, v in values.items() for record in (asked(t), row(t, 1, 0.1), ended(t, "complete", v))]
    history = History([*records(MULTI), *ends])
    best = history.best()
    assert best is not None
    assert best.number == 1
    assert [trial.number for trial in history.front()] == [1, 2]


@pytest.mark.parametrize(
    ("best", "taken"),
    [
        ("first", 2),
        ("knee", 1),
        ('{constraint: {kl/noise: "<= 0.2"}}', 0),
        ('{constraint: {kl/noise: "<= 0.05"}}', None),
    ],
)
def test_one_of_the_front_is_best_as_the_study_has_it_also_while_it_grows(best: str, taken: int | None) -> None:
    several = MULTI["{metric: val_accuracy}"]
    history = History(records({**MULTI, "{metric: val_accuracy}": f"{several}\nbest: {best}"}))
    assert history.best() is None
    for number, values in enumerate([[0.3, 0.1], [0.6, 0.3], [0.7, 0.9], [0.2, 0.5]]):
        for record in (asked(number), row(number, 1, 0.1), ended(number, "complete", values)):
            history.apply(record)
        history.best()
    found = history.best()
    assert (found and found.number) == taken
    assert ([trial.number for trial in history.front()], history.knee) == ([0, 1, 2], 1)
