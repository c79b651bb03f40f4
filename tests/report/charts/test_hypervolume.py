"""The hypervolume over trials; its arithmetic is tested in `tests/stats/test_hypervolume.py`."""

from __future__ import annotations

import pytest

from dfkd_ray.report.charts.hypervolume import Hypervolume
from dfkd_ray.stats.hypervolume import gained
from tests.report.studies import noted, study, trial

VALUES = [(0.5, 0.5), (0.4, 0.6), (0.6, 0.6), (0.4, 0.1)]
NOTE = noted(objective=[{"metric": "val_accuracy"}, {"metric": "kl/noise"}])


def test_it_rises_where_a_trial_moves_the_front() -> None:
    rows = Hypervolume.prepare(study([trial(n, objectives=list(v)) for n, v in enumerate(VALUES)], note=NOTE))
    told = dict(zip(rows["trial"].to_pylist(), rows["volume"].to_pylist()))
    assert told == pytest.approx(gained({n: [a, -b] for n, (a, b) in enumerate(VALUES)}))
    assert told[0] == told[1] < told[2] < told[3], "the second is dominated by the first"
    line, *marks = Hypervolume.draw(rows).data
    assert line.line.shape == "hv"
    assert sum(len(mark.x) for mark in marks) == 4
    (note,) = Hypervolume.notes(rows)
    assert note.startswith("The box goes from the reference point (")


def test_what_may_not_win_is_not_in_it() -> None:
    rows = [trial(0, objectives=[0.5, 0.5]), trial(1, objectives=[0.9, 0.1], unmet="seconds not <= 6")]
    assert Hypervolume.prepare(study(rows, note=NOTE))["trial"].to_pylist() == [0]
    assert not Hypervolume.applies(study([trial(0)]))
