"""The confusion matrix: its counts against those of the table."""

from __future__ import annotations

import math

import pytest

from dfkd_ray.report.evaluation.confusion import MOST, Confusion
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import tables
from tests.report.evaluations import evaluation


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


def test_of_very_many_classes_those_without_a_confusion_are_left_out() -> None:
    count, pairs = MOST + 3, [(1, 4), (4, 1), (200, 202)]
    labels = [*range(count), *(label for label, _ in pairs)]
    named = [*range(count), *(named for _, named in pairs)]
    rows = [
        {"index": i, "label": a, "student": b, "student_confidence": 1.0} for i, (a, b) in enumerate(zip(labels, named))
    ]
    made = EvaluationTables(tables.table("evaluation", rows, {}), tables.table("examples", [], {}))
    drawn = Confusion.prepare(made).to_pylist()
    names = {row["label"] for row in drawn}
    assert len(names) == MOST
    assert names >= {"1", "4", "200", "202"}
    wrong = [(row["label"], row["named"], row["images"], row["share"]) for row in drawn if row["row"] != row["column"]]
    assert wrong == [("1", "4", 1, 0.5), ("4", "1", 1, 0.5), ("200", "202", 1, 0.5)]


def test_a_class_stands_at_the_same_place_in_rows_and_columns() -> None:
    rows = Confusion.prepare(evaluation(classes=12))
    places = {row["label"]: row["row"] for row in rows.to_pylist()}
    assert all(places[row["named"]] == row["column"] for row in rows.to_pylist())
    layout = Confusion.draw(rows).layout
    assert list(layout.xaxis.ticktext) == list(layout.yaxis.ticktext) == sorted(places, key=lambda name: places[name])
    assert layout.xaxis.range == layout.yaxis.range[::-1], "the first class is at the top"
