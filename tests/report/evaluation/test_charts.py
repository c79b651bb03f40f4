"""The charts of an evaluation: their rows against those of the table, and what they do where there is much or none."""

from __future__ import annotations

import math

import plotly.graph_objects as go
import pytest

from dfkd_ray.report.evaluation.by_class import NAMED, ByClass
from dfkd_ray.report.evaluation.confusion import MOST, Confusion
from dfkd_ray.report.evaluation.plane import FEW, SYMBOLS, Plane
from dfkd_ray.report.evaluation.reliability import Reliability
from tests.report.evaluations import evaluation

CHARTS = (Confusion, ByClass, Reliability, Plane)


@pytest.mark.parametrize("chart", CHARTS)
@pytest.mark.parametrize("classes", [2, 12, 30, 230])
def test_a_chart_is_drawn_from_its_rows_alone(chart: type[Confusion], classes: int) -> None:
    rows = chart.prepare(evaluation(classes, images=3 * classes))
    assert rows.equals(chart.prepare(evaluation(classes, images=3 * classes)))
    first = (
        rows if not chart.panels else rows.filter([p == rows["panel"][0].as_py() for p in rows["panel"].to_pylist()])
    )
    figure = chart.draw(first)
    assert isinstance(figure, go.Figure)
    assert len(figure.to_json()) < 1_000_000
    assert all(note.endswith(".") for note in (*chart.notes(rows), chart.reading, chart.empty))


@pytest.mark.parametrize("chart", CHARTS)
def test_without_images_there_are_no_rows(chart: type[Confusion]) -> None:
    assert chart.prepare(evaluation(images=0)).num_rows == 0


def test_the_matrix_counts_what_is_named_what() -> None:
    made = evaluation(classes=12)
    rows = Confusion.prepare(made).to_pylist()
    assert sum(row["images"] for row in rows) == made.evaluation.num_rows
    of = {name: sum(row["images"] for row in rows if row["label"] == name) for name in made.classes}
    assert all(row["share"] == pytest.approx(row["images"] / of[row["label"]]) for row in rows)
    (heat,) = Confusion.draw(Confusion.prepare(made)).data
    for row in rows:
        shown = heat.z[row["row"]][row["column"]]
        assert shown is None if not row["images"] else shown == pytest.approx(math.sqrt(row["share"]))
    assert heat.text[0][0] == str(rows[0]["images"])


def test_a_large_matrix_has_no_numbers_and_a_huge_one_keeps_what_is_confused() -> None:
    (heat,) = Confusion.draw(Confusion.prepare(evaluation(classes=30))).data
    assert heat.text is None
    made = evaluation(classes=230, images=460)
    rows = Confusion.prepare(made)
    assert max(rows["row"].to_pylist()) + 1 == MOST
    assert Confusion.notes(rows)[0] == "Drawn are the 200 of 230 classes of which most images are confused."
    assert sum(n for (a, b), n in made.confusions.items() if a != b) == sum(
        row["images"] for row in rows.to_pylist() if row["row"] != row["column"]
    )


def test_classes_stand_from_the_worst_to_the_best() -> None:
    made = evaluation(classes=12)
    rows = ByClass.prepare(made).to_pylist()
    shares = [row["student"] for row in rows]
    assert shares == sorted(shares)
    assert {row["name"]: row["student"] for row in rows} == dict(zip(made.classes, made.by_class("student")))
    few, many = (ByClass.draw(ByClass.prepare(evaluation(c, images=2 * c))) for c in (NAMED, NAMED + 1))
    assert few.layout.yaxis.ticktext[0].startswith("class ")
    assert many.layout.yaxis.ticktext is None
    alone = ByClass.draw(ByClass.prepare(evaluation(teacher=False)))
    assert [trace.name for trace in alone.data] == ["student"]


def test_reliability_is_what_the_tables_say() -> None:
    made = evaluation()
    rows = Reliability.prepare(made).to_pylist()
    for network in ("student", "teacher"):
        own = [row for row in rows if row["network"] == network]
        assert [{k: v for k, v in row.items() if k not in ("panel", "network")} for row in own] == made.bins(network)
        assert own[0]["panel"] == f"{network.capitalize()}, calibration error 12.3\u00a0%"
    assert Reliability.prepare(evaluation(images=1)).num_rows == 2, "a bin without images is not drawn"


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
