"""Arms: every trial, the pairs joined, and means computed anew."""

from __future__ import annotations

import statistics
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pytest

import dfkd_ray.report.charts  # noqa: F401  registers every chart
from dfkd_ray.report.chart import charts
from dfkd_ray.report.charts.arm_means import MOST, ROWS, ArmMeans
from dfkd_ray.util.words import NBSP
from tests.report import ablations
from tests.report.ablations import values
from tests.report.charts.drawn import first_panel


def test_arms_have_every_trial_and_their_mean_and_a_twin_has_no_row_of_its_own() -> None:
    tables = ablations.by_hand()
    own = [row for row in ArmMeans.prepare(tables).to_pylist() if row["metric"] == "val_accuracy"]
    means = [row for row in own if row["what"] == "mean"]
    assert [row["label"] for row in means] == ["order_2 & 50%", "both = order 3", "order 1"]
    for row in means:
        found = [trial["value"] for trial in own if trial["what"] == "trial" and trial["arm"] == row["arm"]]
        assert found == values(tables, row["arm"])
        assert row["value"] == pytest.approx(statistics.fmean(found))
        assert row["low"] < row["value"] < row["high"]


def test_trials_of_a_pair_are_joined_across_the_arms() -> None:
    figure = ArmMeans.draw(first_panel(ArmMeans.prepare(ablations.fractional()))).to_dict()
    lines = [trace for trace in figure["data"] if trace.get("meta") == "pair"]
    assert len(lines) == 6  # 3 seeds, 2 draws
    assert all(list(line["y"]) == list(range(8)) and line["mode"] == "lines+markers" for line in lines)
    pairs = {name: set(ArmMeans.prepare(ablations.STUDIES[name]())["pair"].to_pylist()) for name in ablations.STUDIES}
    assert pairs["fractional factorial"] >= {"seed 0, draw 1", "seed 2, draw 0"}
    assert pairs["factorial"] >= {"seed 0", "seed 4"}


def test_a_failed_trial_is_counted_at_its_arm() -> None:
    means = [row for row in ArmMeans.prepare(ablations.leave_one_out()).to_pylist() if row["what"] == "mean"]
    assert {row["arm"]: row["failed"] for row in means}["without sfcl"] == 1
    figure = ArmMeans.draw(first_panel(ArmMeans.prepare(ablations.leave_one_out()))).to_dict()
    assert any("n = 4, 1 failed" in note["text"] for note in figure["layout"]["annotations"])


def test_a_mean_stands_under_its_dots_with_its_interval_to_both_sides() -> None:
    rows = first_panel(ArmMeans.prepare(ablations.by_hand()))
    means = [row for row in rows.to_pylist() if row["what"] == "mean"]
    diamond = ArmMeans.draw(rows).data[-1]
    assert list(diamond.x) == [row["value"] for row in means]
    for i, row in enumerate(means):
        assert diamond.y[i] > row["place"]
        assert diamond.x[i] - diamond.error_x.arrayminus[i] == pytest.approx(row["low"])
        assert diamond.x[i] + diamond.error_x.array[i] == pytest.approx(row["high"])


def test_of_very_many_pairs_the_dots_are_one_trace_and_not_joined() -> None:
    row = first_panel(ArmMeans.prepare(ablations.by_hand())).to_pylist()[1]
    for pairs, traces, mode in ((MOST, MOST, "lines+markers"), (MOST + 1, 1, "markers")):
        rows = [row | {"pair": f"seed {i}"} for i in range(pairs)]
        drawn = ArmMeans.draw(pa.Table.from_pylist(rows, ROWS)).data
        assert [trace.mode for trace in drawn if trace.meta == "pair"] == [mode] * traces
        assert sum(len(trace.x) for trace in drawn if trace.meta == "pair") == pairs


def test_the_mean_is_said_with_the_deviation_of_its_trials_where_there_are_two() -> None:
    tables = ablations.by_hand()
    found = values(tables, "order 1")
    means = [row for row in first_panel(ArmMeans.prepare(tables)).to_pylist() if row["what"] == "mean"]
    wanted = f"{100 * statistics.fmean(found):.1f} ± {100 * statistics.stdev(found):.1f}, n = {len(found)}"
    assert {row["arm"]: row["said"] for row in means}["order 1"] == wanted
    alone = ablations.with_trials(ablations.leave_one_out().trials.to_pylist()[:1])
    first = ArmMeans.prepare(alone).to_pylist()[0]
    assert first["said"].endswith(", n = 1")
    assert "±" not in first["said"]


@pytest.mark.parametrize("name", ["arm_means", "arm_cost"])
def test_an_interval_is_drawn_to_the_end_of_its_metric_and_a_note_says_so(name: str) -> None:
    chart, tables = charts[name], ablations.near_the_top()
    own = [
        row for row in chart.prepare(tables).to_pylist() if row["metric"] == "val_accuracy" and row["low"] is not None
    ]
    assert [(row["arm"], row["high"]) for row in own if row["cut"]] == [("full", 1.0)]
    assert own[0]["low"] == pytest.approx(0.98 - 2.776445 * 0.02, abs=1e-6)
    drawn = chart.prepare(tables)
    if "panel" in drawn.schema.names:
        drawn = drawn.filter(pc.equal(drawn["panel"], "Validation accuracy"))
    said = "The interval of full would leave what validation accuracy can be, 0.0 % to 100.0 %, and is cut there."
    assert said in [note.replace(NBSP, " ") for note in chart.notes(drawn)]
    axis = "error_x" if name == "arm_means" else "error_y"
    reach = [at + up for trace in chart.draw(drawn).data for at, up in _ends(trace, axis)]
    assert max(reach) == pytest.approx(1.0)
    assert not any(row["cut"] for row in chart.prepare(ablations.leave_one_out()).to_pylist())


def _ends(trace: Any, axis: str) -> list[tuple[float, float]]:
    """Of each mark of a trace its place and how far its interval goes up from there."""
    found = getattr(trace, axis).array
    return [] if found is None else list(zip(getattr(trace, axis[-1]), found))
