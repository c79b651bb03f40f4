"""Features in the plane: whose colours classes have where there are many."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dfkd_ray.report.chart import FAINT
from dfkd_ray.report.evaluation.plane import FEW, MOST, OTHERS, SYMBOLS, Plane
from dfkd_ray.util import tables
from tests.report.charts.drawn import first_panel
from tests.report.evaluations import evaluation


def test_many_classes_share_the_colours_of_those_that_are_confused() -> None:
    made = evaluation(classes=12)
    assert {row["place"] for row in Plane.prepare(made).to_pylist()} == set(range(12))
    symbols = {trace.marker.symbol for trace in Plane.draw(Plane.prepare(made)).data}
    assert symbols == set(SYMBOLS[:2])
    made = evaluation(classes=60)
    rows = Plane.prepare(made).to_pylist()
    coloured = {row["name"] for row in rows if row["place"] is not None}
    assert len(coloured) == FEW
    assert {made.classes[made.confused[0][side]] for side in ("label", "named")} <= coloured
    assert [row["panel"] for row in rows[:: len(rows) - 1]] == ["Teacher", "Student"]
    assert Plane.prepare(evaluation(plane=False)).num_rows == 0


def test_an_image_stands_where_each_network_puts_it_and_says_what_it_is_taken_for() -> None:
    made = evaluation(classes=3, images=9)
    given = made.evaluation.to_pylist()
    rows = Plane.prepare(made).to_pylist()
    for network in ("teacher", "student"):
        own = [row for row in rows if row["panel"] == network.capitalize()]
        assert [(row["x"], row["y"]) for row in own] == [(each[f"{network}_x"], each[f"{network}_y"]) for each in given]
        for row, each in zip(own, given, strict=True):
            name = f"class {each['label']}"
            wrong = each[network] != each["label"]
            assert row["about"] == (f"{name}\nnamed class {each[network]}" if wrong else name)
    assert Plane.notes(Plane.prepare(made)) == [
        "9\u00a0images, of every class by its share. Each network has a plane of its own."
    ]


def test_the_other_classes_are_one_faint_trace_that_lies_under_all() -> None:
    rows = first_panel(Plane.prepare(evaluation(classes=60)))
    drawn = Plane.draw(rows).data
    assert [trace.name for trace in drawn[:1]] == [OTHERS]
    assert drawn[0].marker.color == FAINT
    assert len(drawn) == FEW + 1
    assert sum(len(trace.x) for trace in drawn) == rows.num_rows
    assert len({(trace.marker.color, trace.marker.symbol) for trace in drawn}) == FEW + 1


@pytest.mark.parametrize(("classes", "coloured"), [(MOST, MOST), (MOST + 1, FEW)])
def test_as_many_classes_as_can_be_told_apart_have_a_colour(classes: int, coloured: int) -> None:
    rows = Plane.prepare(evaluation(classes, images=2 * classes)).to_pylist()
    assert len({row["name"] for row in rows if row["place"] is not None}) == coloured
    sizes = {trace.name: trace.marker.size for trace in Plane.draw(Plane.prepare(evaluation(3, images=9))).data}
    assert len(set(sizes.values())) == 1, "the first class is drawn like the others"


def test_an_image_that_was_not_placed_is_left_out() -> None:
    made = evaluation(classes=3, images=9, teacher=False)
    rows = made.evaluation.to_pylist()
    rows[4] |= {"student_x": None, "student_y": None}
    kept = replace(made, evaluation=tables.table("evaluation", rows, made.note))
    assert [row["x"] for row in Plane.prepare(kept).to_pylist()] == [r["student_x"] for r in rows if r is not rows[4]]
