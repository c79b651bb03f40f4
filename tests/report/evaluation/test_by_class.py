"""Accuracy by class: sorted, against the shares of the table."""

from __future__ import annotations

from dfkd_ray.report.evaluation.by_class import NAMED, ByClass
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import tables
from tests.report.evaluations import evaluation


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


def test_marks_of_both_networks_are_joined_and_lie_the_way_round_that_has_room() -> None:
    for classes in (NAMED, NAMED + 1):
        rows = ByClass.prepare(evaluation(classes, images=2 * classes))
        data = rows.to_pylist()
        line, student, teacher = ByClass.draw(rows).data
        across, along = ("y", "x") if classes <= NAMED else ("x", "y")
        assert list(student[across]) == list(teacher[across]) == list(range(classes))
        assert list(student[along]) == [row["student"] for row in data]
        assert list(teacher[along]) == [row["teacher"] for row in data]
        assert list(line[along]) == [v for row in data for v in (row["student"], row["teacher"], None)]
        assert list(line[across]) == [v for row in data for v in (row["place"], row["place"], None)]


def test_a_class_without_images_has_no_row() -> None:
    rows = ByClass.prepare(evaluation(classes=6, images=4)).to_pylist()
    assert sorted(row["name"] for row in rows) == [f"class {i}" for i in range(4)]
    assert [row["images"] for row in rows] == [1] * 4


def test_of_classes_that_the_student_knows_alike_the_one_that_the_teacher_knows_worse_is_first() -> None:
    named = {0: (0, 0), 1: (1, 0), 2: (2, 1)}  # class -> what the student names its image, and the teacher
    rows = [
        {"index": label, "label": label, "student": student, "teacher": teacher}
        for label, (student, teacher) in named.items()
    ]
    rows.append({"index": 3, "label": 2, "student": 2, "teacher": 2})
    made = EvaluationTables(tables.table("evaluation", rows, {}), tables.table("examples", [], {}))
    assert [(row["name"], row["teacher"]) for row in ByClass.prepare(made).to_pylist()] == [
        *(("1", 0.0), ("2", 0.5), ("0", 1.0)),
    ]
