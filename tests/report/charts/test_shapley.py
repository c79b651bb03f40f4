"""The Shapley waterfall: from the mean of none to the mean of all, computed anew."""

from __future__ import annotations

import statistics

import pytest

from dfkd_ray.report.chart import HELPS, HURTS, PRUNED
from dfkd_ray.report.charts.shapley import Shapley
from tests.report import ablations
from tests.report.ablations import values


def test_shapley_values_lead_from_none_to_full() -> None:
    for tables in (ablations.factorial(), ablations.fractional()):
        first, *shares, last = Shapley.prepare(tables).to_pylist()
        assert first["end"] == pytest.approx(statistics.fmean(values(tables, "none")))
        assert last["end"] == pytest.approx(statistics.fmean(values(tables, "full")))
        assert [row["start"] for row in shares] == [first["end"], *(row["end"] for row in shares[:-1])]
        assert shares[-1]["end"] == pytest.approx(last["end"])


def test_a_pair_that_one_arm_lost_is_left_out_of_the_waterfall() -> None:
    """The values are over the pairs that all arms have; so is the arm from which they start."""
    whole = ablations.factorial()
    given = whole.trials.to_pylist()
    lost = next(row for row in given if row["arm"] == "mhad")
    lost |= {"state": "failed", "objectives": [], "final": []}
    first = Shapley.prepare(ablations.replaced(whole, given)).to_pylist()[0]
    kept = [v for row, v in zip([r for r in given if r["arm"] == "none"], values(whole, "none")) if row["seed"] != 0]
    assert first["end"] == pytest.approx(statistics.fmean(kept))


def test_estimated_shapley_values_say_so() -> None:
    assert "not exact" in Shapley.notes(Shapley.prepare(ablations.fractional()))[0]
    assert "Exact" in Shapley.notes(Shapley.prepare(ablations.factorial()))[0]


def test_a_design_without_shapley_values_has_no_such_chart() -> None:
    assert not Shapley.applies(ablations.leave_one_out())
    assert Shapley.applies(ablations.factorial())


def test_bars_hang_on_each_other_and_lines_join_them() -> None:
    rows = Shapley.prepare(ablations.factorial())
    first, *shares, last = rows.to_pylist()
    bars, steps, ends = Shapley.draw(rows).data
    assert list(bars.base) == [row["start"] for row in shares]
    assert [base + long for base, long in zip(bars.base, bars.x)] == pytest.approx([row["end"] for row in shares])
    assert list(bars.y) == [1, 2, 3]
    assert (list(ends.x), list(ends.y)) == ([first["end"], last["end"]], [0, 4])
    joints = [first["end"], *(row["end"] for row in shares)]
    assert list(steps.x) == [x for joint in joints for x in (joint, joint, None)]
    assert list(steps.y) == [y for i in range(4) for y in (i, i + 1, None)]


def test_a_bar_has_the_colour_of_its_verdict_and_the_interval_of_its_share() -> None:
    rows = Shapley.prepare(ablations.factorial())
    shares = rows.to_pylist()[1:-1]
    bars = Shapley.draw(rows).data[0]
    looks = {"helps": HELPS, "hurts": HURTS}
    assert list(bars.marker.color) == [looks.get(row["verdict"], PRUNED) for row in shares]
    assert HELPS in bars.marker.color
    for row, more, less in zip(shares, bars.error_x.array, bars.error_x.arrayminus, strict=True):
        assert (row["end"] - less, row["end"] + more) == pytest.approx((row["low"], row["high"]))


def test_without_the_arm_that_has_nothing_there_is_no_waterfall() -> None:
    whole = ablations.factorial()
    kept = [row for row in whole.trials.to_pylist() if row["arm"] != "none"]
    assert Shapley.prepare(ablations.replaced(whole, kept)).num_rows == 0


def test_a_share_stands_where_it_begins_with_its_own_interval() -> None:
    tables = ablations.factorial()
    assert tables.effects is not None
    told = [row for row in tables.effects.to_pylist() if (row["kind"], row["metric"]) == ("shapley", "val_accuracy")]
    shares = Shapley.prepare(tables).to_pylist()[1:-1]
    assert [row["label"] for row in shares] == [effect["component"] for effect in told]
    for row, effect in zip(shares, told, strict=True):
        ends = (row["start"] + effect[key] for key in ("difference", "low", "high"))
        assert (row["end"], row["low"], row["high"]) == pytest.approx(tuple(ends))


def test_a_design_that_names_no_arm_without_components_has_no_waterfall() -> None:
    whole = ablations.factorial()
    arms = [arm for arm in whole.ablation["arms"] if arm["name"] != "none"]
    assert Shapley.prepare(ablations.changed(whole, ablation={**whole.ablation, "arms": arms})).num_rows == 0
