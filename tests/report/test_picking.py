"""The rule by which one trial of a front is taken, as tables tell it; see `stats.front` for what it does."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.report import picking
from dfkd_ray.report.trial import Goal
from tests.report.studies import noted, study, trial

GOALS = (Goal("val_accuracy", "max"), Goal("kl/noise", "min"))
POINTS = {0: [0.9, -1.0], 1: [0.8, -0.3], 2: [0.4, -0.1]}


@pytest.mark.parametrize(
    ("told", "taken"),
    [
        (None, 0),
        ("first", 0),
        ("of another version", 0),
        ("knee", 1),
        ({"constraint": {"kl/noise": "<= 0.2"}}, 2),
        ({"constraint": {"kl/noise": "<= 0.01"}}, None),
        ({"constraint": {"kl/noise": "nobody can read"}}, 0),
    ],
)
def test_one_is_taken_as_the_tables_say(told: Any, taken: int | None) -> None:
    assert picking.pick(POINTS, told, GOALS) == taken
    rows = [trial(n, objectives=[a, -b]) for n, (a, b) in POINTS.items()]
    tables = study(rows, note=noted(objective=[{"metric": g.metric} for g in GOALS], best=told))
    assert (tables.best and tables.best.number) == taken
    assert [each.number for each in tables.front] == [0, 1, 2], "the front is the front"
