"""Learning curves by arm: means and bands computed anew from the trials."""

from __future__ import annotations

import json
import statistics
from typing import Any

import pytest

from dfkd_ray.report.chart import arm_style
from dfkd_ray.report.charts.arm_curves import ArmCurves
from tests.report import ablations
from tests.report.ablations import values
from tests.report.charts.drawn import first_panel
from tests.report.experiment import EPOCHS


def test_curves_are_the_mean_in_a_band_from_the_lowest_to_the_highest() -> None:
    tables = ablations.leave_one_out()
    last = [row for row in ArmCurves.prepare(tables).to_pylist() if row["epoch"] == EPOCHS]
    assert sorted(row["arm"] for row in last) == sorted(arm.name for arm in tables.arms)
    reached = [statistics.fmean(values(tables, row["arm"])) for row in last]
    assert reached == sorted(reached, reverse=True), "arms by rank"
    for row in last:
        found = values(tables, row["arm"])
        assert (row["mean"], row["low"], row["high"]) == (
            pytest.approx(statistics.fmean(found)),
            min(found),
            max(found),
        )
        assert row["trials"] == len(found)


def test_a_band_goes_with_its_line_and_every_arm_looks_its_own_way() -> None:
    figure = ArmCurves.draw(ArmCurves.prepare(ablations.factorial())).to_dict()
    grey, bands, lines = figure["data"][:4], figure["data"][4:8], figure["data"][8:]
    assert [band["legendgroup"] for band in bands] == [line["legendgroup"] for line in lines[::-1]]
    assert [band["fillcolor"] for band in bands] == [line["line"]["color"] for line in lines[::-1]]
    assert {line["line"]["color"] for line in grey} == {arm_style(None)["color"]}
    assert [line["showlegend"] for line in (*grey, *lines)] == [False] * 4 + [True] * 4
    looks = [tuple(sorted(arm_style(place).items())) for place in range(24)]
    assert len(set(looks)) == 24


def test_a_band_goes_forth_along_the_lowest_and_back_along_the_highest() -> None:
    rows = first_panel(ArmCurves.prepare(ablations.leave_one_out()))
    own = [row for row in rows.to_pylist() if row["place"] == 0]
    band = ArmCurves.draw(rows).data[0]
    assert [row["steps"] for row in own] == [None] * EPOCHS, "an epoch has as many steps in every arm"
    assert list(band.x) == [*range(1, EPOCHS + 1), *range(EPOCHS, 0, -1)]
    assert list(band.y) == [*(row["low"] for row in own), *(row["high"] for row in own[::-1])]


def test_bands_are_fainter_where_there_are_many() -> None:
    four, eight = ablations.leave_one_out(), ablations.factorial()
    few, many = (ArmCurves.draw(first_panel(ArmCurves.prepare(tables))) for tables in (four, eight))
    first, other = (next(trace for trace in figure.data if trace.fill) for figure in (few, many))
    assert 0 < other.opacity < first.opacity < 1


def test_validation_stands_beside_another_objective_and_a_twin_has_no_line() -> None:
    one = ablations.by_hand()
    tables = ablations.changed(one, study={**one.study, "objective": {"metric": "kl/source", "mode": "min"}})
    rows = ArmCurves.prepare(tables).to_pylist()
    assert list(dict.fromkeys(row["metric"] for row in rows)) == ["kl/source", "val_accuracy"]
    assert list(dict.fromkeys(row["arm"] for row in rows)) == ["order 1", "both = order 3", "order_2 & 50%"]


@pytest.mark.parametrize(("epochs", "mode"), [(2, "lines+markers"), (3, "lines")])
def test_a_line_of_two_epochs_has_marks(epochs: int, mode: str) -> None:
    rows = first_panel(ArmCurves.prepare(ablations.leave_one_out()))
    few = rows.filter([epoch <= epochs for epoch in rows["epoch"].to_pylist()])
    assert {trace.mode for trace in ArmCurves.draw(few).data if trace.fill is None} == {mode}


def test_where_arms_differ_curves_go_along_the_students_steps_after_the_warm_up() -> None:
    def given(row: dict[str, Any]) -> dict[str, Any]:
        own = row["arm"] == "order 1"  # as many steps in all, in the six epochs after its warm-up
        return row | {"method": json.dumps({"schedule": {"warmup": 3}})} if own else row

    by_hand = ablations.by_hand()
    tables = ablations.replaced(by_hand, map(given, by_hand.trials.to_pylist()))
    rows = [row for row in ArmCurves.prepare(tables).to_pylist() if row["epoch"] in (3, 6, EPOCHS)]
    steps = {name: [row["steps"] for row in rows if row["arm"] == name] for name in ("order 1", "order_2 & 50%")}
    assert steps == {"order 1": [0.0, 243.0, 486.0], "order_2 & 50%": [108.0, 216.0, 324.0]}
    assert ArmCurves.draw(ArmCurves.prepare(tables)).layout.xaxis.title.text == "Steps of the student"
