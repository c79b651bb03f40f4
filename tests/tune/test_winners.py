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


def test_by_other_rules_the_leaders_are_found_anew() -> None:
    """Those that would be confirmed: each once, and none that is outside of what an edited file asks for."""
    history = History(records())
    for number, value in enumerate([0.3, 0.9, 0.6]):
        for record in (asked(number), row(number, 1, value), ended(number, "complete", [value])):
            history.apply(record)
    assert [number for _, number in history.tally.ranked] == [1, 2, 0]
    trials = [history.trials[number] for number in (0, 2)]
    history.judge_again(trials)
    assert [number for _, number in history.tally.ranked] == [2, 0]


SEEDS = {"budget: {trials: 8}": "budget: {trials: 8}\nseeds: 2\nracing: false"}


def test_a_setting_as_a_whole_is_the_means_over_its_seeds() -> None:
    history = History(records(SEEDS))
    for number, value in enumerate([0.3, 0.9]):
        history.apply({**asked(number), "seed": number, "setting": 0 if number else None})
        history.apply(row(number, 1, value))
        history.apply({**ended(number, "complete", [value]), "final": {"test_accuracy/last": value, f"own{number}": 1}})
    assert history.best() is None, "a setting competes once it has settled"
    assert [trial.number for trial in history.runs(0)] == [0, 1]
    told = {"reason": None, "rung": None, "values": [0.6], "errors": [0.3], "told": [0.6]}
    history.apply({"kind": "settled", "time": 1.0, "trial": 0, "state": "complete", **told})
    best = history.best()
    assert best is not None
    assert (best.number, best.values, best.errors, best.over) == (0, [0.6], [0.3], 2)
    assert best.final == {"test_accuracy/last": 0.6}, "what both have"
    assert history.trials[0].values == [0.3], "the trial itself stays what it is"
    assert (history.searched, history.trials[1].place, history.whole(0) == best) == (1, 0, True)
