"""What an arm costs: seconds of its trials, computed anew."""

from __future__ import annotations

import math
import statistics

import pytest

from dfkd_ray.report.charts.arm_cost import ArmCost
from tests.report import ablations


def test_cost_is_the_mean_of_the_complete_trials_and_reused_ones_are_marked() -> None:
    tables = ablations.by_hand()
    own = [row for row in ArmCost.prepare(tables).to_pylist() if row["arm"] == "both = order 3"]
    seconds = [row["seconds"] for row in tables.trials.to_pylist() if row["arm"] == "both"]
    assert own[0]["seconds"] == pytest.approx(statistics.fmean(seconds))
    assert (own[0]["fastest"], own[0]["slowest"]) == (min(seconds), max(seconds))
    assert "2\u00a0trials" in ArmCost.notes(ArmCost.prepare(tables))[0]
    assert ArmCost.notes(ArmCost.prepare(ablations.factorial())) == []


def test_bars_reach_from_the_fastest_to_the_slowest_and_from_end_to_end_of_the_interval() -> None:
    rows = ArmCost.prepare(ablations.leave_one_out())
    for row, mark in zip(rows.to_pylist(), ArmCost.draw(rows).data):
        (x,), (y,) = mark.x, mark.y
        across, upright = mark.error_x, mark.error_y
        assert (x - across.arrayminus[0], x + across.array[0]) == pytest.approx((row["fastest"], row["slowest"]))
        assert (y - upright.arrayminus[0], y + upright.array[0]) == pytest.approx((row["low"], row["high"]))


def test_trials_without_a_time_do_not_count_and_one_alone_has_no_interval() -> None:
    given = ablations.leave_one_out().trials.to_pylist()
    full = [row for row in given if row["arm"] == "full"]
    for row, seconds in zip(full, (None, math.nan, math.inf, 7.0, None), strict=True):
        row["seconds"] = seconds
    for row in given:
        row["seconds"] = row["seconds"] if row["arm"] in ("full", "without mhad") else None
    rows = ArmCost.prepare(ablations.with_trials(given))
    first, other = rows.to_pylist()
    assert (first["arm"], first["seconds"], first["value"]) == ("full", 7.0, full[3]["objectives"][0])
    assert (first["low"], first["high"]) == (None, None)
    assert (other["arm"], other["place"]) == ("without mhad", 3), "its rank"
    assert "1\u00a0trial" in first["about"]
    assert ArmCost.draw(rows).data[0].error_y.array is None
