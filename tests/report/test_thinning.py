"""Thinning: nothing is left out of a small study, and of a large one never what counts."""

from __future__ import annotations

import statistics

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.report import thinning
from dfkd_ray.report.charts.cost import Cost
from dfkd_ray.report.charts.curves import Curves
from dfkd_ray.report.charts.front import Front
from dfkd_ray.report.charts.history import History
from dfkd_ray.report.charts.interaction import Interaction
from dfkd_ray.report.charts.losses import Losses
from dfkd_ray.report.charts.parallel import Parallel
from dfkd_ray.report.charts.run_curves import RunCurves
from dfkd_ray.report.charts.slices import Slices
from dfkd_ray.report.view import Tables
from tests.report.studies import large, noted, steps, study, trial


@pytest.fixture(scope="module")
def tables() -> Tables:
    return large()


def test_of_a_study_with_room_for_all_none_is_left_out() -> None:
    few = large(200)
    assert thinning.drawn(few.all, few, 200) == list(few.all)
    for chart in (History, Cost, Slices, Parallel, Curves, Interaction):
        assert thinning.said(chart.prepare(few)) == []
    assert "all" not in Curves.prepare(few)["role"].to_pylist()


@settings(deadline=None, max_examples=30)
@given(st.integers(10, 300), st.sets(st.integers(0, 2999), max_size=20))
def test_the_best_and_the_named_are_always_drawn_and_the_others_evenly(
    tables: Tables, most: int, named: set[int]
) -> None:
    drawn = thinning.drawn(tables.all, tables, most, named)
    numbers = [t.number for t in drawn]
    ranked = sorted(tables.complete, key=lambda t: (-(t.value or 0.0), t.number))
    assert {*named, *(t.number for t in ranked[: most // 10])} <= set(numbers)
    assert numbers == sorted(numbers)
    assert len(drawn) <= max(most, len(named) + 2 * (most // 10) + 1)
    assert drawn == thinning.drawn(tables.all, tables, most, named), "always the same"


def test_the_sample_has_the_quantiles_and_the_states_of_all(tables: Tables) -> None:
    drawn = thinning.drawn(tables.all, tables, 1000)
    for state in ("complete", "pruned", "failed"):
        share = sum(t.state == state for t in tables.all) / len(tables.all)
        assert sum(t.state == state for t in drawn) / len(drawn) == pytest.approx(share, abs=0.1)
    stopped = [[t.value for t in found if t.state == "pruned" and t.value is not None] for found in (tables.all, drawn)]
    quantiles = [statistics.quantiles(values, n=4) for values in stopped]
    assert quantiles[1] == pytest.approx(quantiles[0], abs=0.02)


def test_no_trial_of_the_front_is_left_out() -> None:
    two = large(several=True)
    front = {t.number for t in two.front}
    assert len(front) > 100
    assert front <= {t.number for t in thinning.drawn(two.all, two, 200)}
    rows = Front.prepare(two)
    assert {r["trial"] for r in rows.to_pylist() if r["front"]} == front
    assert f"of {len(two.complete)}".replace("2", "2\N{NO-BREAK SPACE}", 1) in thinning.said(rows)[0]


@pytest.mark.parametrize("chart", [History, Cost, Slices, Parallel, Curves, Interaction])
def test_each_chart_of_a_large_study_is_thinned_and_says_so(chart: type[Slices], tables: Tables) -> None:
    rows = chart.prepare(tables)
    own = {r["trial"] for r in rows.select(["trial"]).to_pylist() if r["trial"] is not None}
    (said,) = thinning.said(rows)
    assert said.startswith(f"Drawn one by one are {len(own):,} of ".replace(",", "\N{NO-BREAK SPACE}"))
    assert said.endswith("by what they reached. All are in trials.arrow and steps.arrow.")
    assert tables.best is not None
    assert tables.best.number in own
    panel = rows.filter(pa.compute.equal(rows["panel"], rows["panel"][0])) if "panel" in rows.schema.names else rows
    assert thinning.said(panel) == [said], "a panel is a part of the chart's rows"
    assert chart.draw(panel).data


def test_the_staircase_of_the_best_so_far_keeps_its_steps(tables: Tables) -> None:
    rows = {r["trial"]: r["best_so_far"] for r in History.prepare(tables).to_pylist()}
    best, wanted = None, {}
    for t in tables.all:
        if t.complete and t.value is not None and (best is None or t.value > best):
            best = wanted[t.number] = t.value
    assert wanted.items() <= rows.items()
    assert tables.all[-1].number in rows, "the line goes to the end"


def test_the_cheapest_of_each_height_are_all_on_the_cost_chart(tables: Tables) -> None:
    done = [t for t in tables.complete if t.value is not None]
    front = {
        t.number
        for t in done
        if not any(
            (o.value, -o.row["seconds"]) != (t.value, -t.row["seconds"])
            and o.value >= t.value  # type: ignore[operator]
            and o.row["seconds"] <= t.row["seconds"]
            for o in done
        )
    }
    assert {r["trial"] for r in Cost.prepare(tables).to_pylist() if r["front"]} == front


def test_a_band_stands_for_the_curves_that_are_not_drawn(tables: Tables) -> None:
    rows = Curves.prepare(tables)
    band = [r for r in rows.to_pylist() if r["role"] == "all"]
    last = sorted(t.value or 0.0 if t.state != "failed" else (t.number * 7919 % 3000) / 3000 for t in tables.all)
    assert [r["epoch"] for r in band] == [1, 2]
    assert [band[1][k] for k in ("low", "value", "high")] == pytest.approx(
        [last[int(q * 2999)] for q in (0.05, 0.5, 0.95)], abs=0.001
    )
    assert "nine tenths of all trials" in Curves.notes(rows)[0]
    area, median = Curves.draw(rows).data[:2]
    assert list(area.x) == [1, 2, 2, 1]
    assert list(median.y) == [r["value"] for r in band]


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=3000))
def test_a_long_line_keeps_its_ends_and_its_extremes(values: list[float]) -> None:
    known = list(range(1, len(values) + 1))
    chosen = thinning.epochs(known, values)
    assert chosen == sorted(set(chosen))
    assert (chosen[0], chosen[-1]) == (1, len(values))
    assert len(chosen) <= thinning.POINTS + 2
    kept = [values[e - 1] for e in chosen]
    assert (min(kept), max(kept)) == (min(values), max(values))
    assert len(values) > thinning.POINTS or chosen == known


def test_a_run_of_many_epochs_keeps_its_best_one_and_says_that_lines_are_thinner() -> None:
    values: list[float | None] = [0.5 + 0.4 * ((n * 7919) % 5000) / 5000 for n in range(5000)]
    row = trial(0, epochs=5000, best_epoch=2222)
    note = noted(search={})
    run = study([row], steps(0, {"val_accuracy": values, "loss/student/total": values}), note=note)
    for chart in (RunCurves, Losses):
        rows = chart.prepare(run)
        assert rows.num_rows <= thinning.POINTS + 3
        assert thinning.said(rows) == [
            "Of 5\N{NO-BREAK SPACE}000 epochs a line has the lowest and the highest value of each few."
        ]
        assert {min(values), max(values)} <= set(rows["value"].to_pylist())  # type: ignore[type-var]
    assert [r["epoch"] for r in RunCurves.prepare(run).to_pylist() if r["best"]] == [2222]
    many = study(
        [trial(n, epochs=1000) for n in range(2)],
        [r for n in range(2) for r in steps(n, {"val_accuracy": values[:1000]})],
    )
    assert len(thinning.said(Curves.prepare(many))) == 1


def test_the_table_of_trials_lists_the_best_ones(tables: Tables, monkeypatch: pytest.MonkeyPatch) -> None:
    assert thinning.listed(tables) == list(tables.all)
    monkeypatch.setattr(thinning, "LISTED", 500)
    listed = [t.number for t in thinning.listed(tables)]
    ranked = sorted(tables.complete, key=lambda t: (-(t.value or 0.0), t.number))
    assert listed == sorted(t.number for t in ranked[:500])
    assert thinning.listed(large(500)) == list(large(500).all)
