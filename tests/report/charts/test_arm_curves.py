"""Learning curves by arm: means and bands computed anew from the trials."""

from __future__ import annotations

import statistics

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
    assert [row["arm"] for row in last] == [arm.name for arm in tables.arms]
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
    bands, lines = figure["data"][:8], figure["data"][8:]
    assert [band["legendgroup"] for band in bands] == [line["legendgroup"] for line in lines]
    assert [band["fillcolor"] for band in bands] == [line["line"]["color"] for line in lines]
    looks = [tuple(sorted(arm_style(place).items())) for place in range(24)]
    assert len(set(looks)) == 24


def test_a_band_goes_forth_along_the_lowest_and_back_along_the_highest() -> None:
    rows = first_panel(ArmCurves.prepare(ablations.leave_one_out()))
    own = [row for row in rows.to_pylist() if row["place"] == 0]
    band = ArmCurves.draw(rows).data[0]
    assert list(band.x) == [*range(1, EPOCHS + 1), *range(EPOCHS, 0, -1)]
    assert list(band.y) == [*(row["low"] for row in own), *(row["high"] for row in own[::-1])]


def test_bands_are_fainter_where_there_are_many() -> None:
    four, eight = ablations.leave_one_out(), ablations.factorial()
    few, many = (ArmCurves.draw(first_panel(ArmCurves.prepare(tables))) for tables in (four, eight))
    assert 0 < many.data[0].opacity < few.data[0].opacity < 1


def test_validation_stands_beside_another_objective_and_a_twin_has_no_line() -> None:
    one = ablations.by_hand()
    tables = ablations.changed(one, study={**one.study, "objective": {"metric": "kl/source", "mode": "min"}})
    rows = ArmCurves.prepare(tables).to_pylist()
    assert list(dict.fromkeys(row["metric"] for row in rows)) == ["kl/source", "val_accuracy"]
    assert list(dict.fromkeys(row["arm"] for row in rows)) == ["both = order 3", "order 1", "order_2 & 50%"]


@pytest.mark.parametrize(("epochs", "mode"), [(2, "lines+markers"), (3, "lines")])
def test_a_line_of_two_epochs_has_marks(epochs: int, mode: str) -> None:
    rows = first_panel(ArmCurves.prepare(ablations.leave_one_out()))
    few = rows.filter([epoch <= epochs for epoch in rows["epoch"].to_pylist()])
    assert {trace.mode for trace in ArmCurves.draw(few).data if trace.fill is None} == {mode}
