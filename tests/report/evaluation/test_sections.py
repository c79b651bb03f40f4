"""The words, tables and pictures of an evaluation's page, against the rows of its tables."""

from __future__ import annotations

import base64
import re
from dataclasses import replace
from typing import Any

import pytest

from dfkd_ray.report.evaluation import gallery, sections
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import tables
from dfkd_ray.util.words import NBSP
from tests.report.evaluations import evaluation, square
from tests.report.evaluations import noted as note_of
from tests.report.writing import written

Images = list[tuple[int, int, float]]  # class, what the student names it, how sure it is


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace(NBSP, " ")).strip()


def made(images: Images, classes: int = 4, teacher: list[int] | None = None, **measures: Any) -> EvaluationTables:
    """An evaluation of these images, a picture of each. teacher: what it names each."""
    rows: list[dict[str, Any]] = [
        {"index": i, "label": label, "student": named, "student_confidence": sure}
        for i, (label, named, sure) in enumerate(images)
    ]
    for row, named in zip(rows, teacher or []):
        row |= {"teacher": named, "teacher_confidence": 0.5}
    note = note_of([f"class {i}" for i in range(classes)], measures, teacher is not None)
    pictures = [{"index": i, "what": "image", "format": "png", "picture": square(i)} for i in range(len(images))]
    return EvaluationTables(tables.table("evaluation", rows, note), tables.table("examples", pictures, note))


def shown(given: EvaluationTables, html: str) -> list[int]:
    """Which images a piece of HTML holds, in its order."""
    numbers = {base64.b64encode(picture).decode(): index for (index, _), (_, picture) in given.pictures.items()}
    return [numbers[data] for data in re.findall(r"base64,([^\"]+)\"", html)]


@pytest.mark.parametrize(
    ("confidence", "top1", "said"),
    [
        (0.80, 0.60, "It is too sure of itself: sure to 80.0 % on average, with a calibration error of 12.0 %."),
        (0.60, 0.80, "It is not sure enough: sure to 60.0 % on average"),
        (0.60, 0.605, "It is as sure as it may be: sure to 60.0 % on average"),
        (None, 0.60, ""),
    ],
)
def test_the_sentence_says_how_sure_the_student_is(confidence: float | None, top1: float, said: str) -> None:
    one = made([(0, 0, 0.5)], student={"confidence": confidence, "top1": top1, "ece": 0.12})
    text = sections.sentence(one).replace(NBSP, " ")
    assert text.startswith(f"The student (resnet8) names {100 * top1:.1f} % of 1 test image of gliders right; chance")
    assert "chance is 25.0 %" in text
    assert said in text
    assert ("sure" in text) == bool(said)


def test_measures_stand_side_by_side_and_one_that_nobody_has_is_left_out() -> None:
    both = made([(0, 0, 0.5)], teacher=[0], student={"top1": 0.5, "ece": 0.1})
    both.note["measures"]["teacher"] = {"top1": 0.75}
    text = plain(written(sections.measures_table(both)))
    assert "Student Teacher" in text
    assert "Top-1 accuracy 50.0 % 75.0 %" in text
    assert "Expected calibration error 10.0 % –" in text
    assert "Top-5 accuracy" not in text


def test_of_a_pair_the_surest_mistakes_stand_before_one_of_what_they_are_taken_for() -> None:
    images = [(0, 1, 0.3), (0, 1, 0.9), (0, 1, 0.5), (0, 1, 0.7), (1, 1, 0.2), (1, 1, 0.8), (0, 0, 1.0), (1, 0, 1.0)]
    pair = {"label": 0, "named": 1, "images": 4, "of": 5}
    one = made(images, confused=[pair])
    html = written(gallery.pairs(one))
    assert shown(one, html) == [1, 3, 2, 5]
    assert "class 0 class 1 4 80.0 %" in plain(html)
    assert "Teacher too" not in plain(html)
    beside = made(images, teacher=[0] * 8, confused=[{**pair, "teacher": 3}])
    assert "class 0 class 1 4 80.0 % 3" in plain(written(gallery.pairs(beside)))
    assert "Teacher too" in plain(written(gallery.pairs(beside)))


def test_without_a_confusion_it_is_said() -> None:
    assert "The student confuses no two classes." in written(gallery.pairs(made([(0, 0, 0.5)], confused=[])))


def test_classes_from_the_worst_each_with_what_it_is_most_often_taken_for() -> None:
    named = {0: [0, 0, 0, 0], 1: [2, 2, 3, 1], 2: [0, 1, 2, 2]}
    images = [(label, each, 0.5) for label, own in named.items() for each in own]
    rows = re.findall(r"<tr[^>]*><td.*?</tr>", written(sections.classes(made(images))), re.DOTALL)
    assert [plain(row) for row in rows] == [
        "class 1 4 25.0 % class 2 (2)",
        "class 2 4 50.0 % class 0 (1)",  # of two as often, the first
        "class 0 4 100.0 % –",
    ]
    assert written(sections.classes(made([]))) == ""


def test_the_surest_mistakes_and_the_first_right_one_of_each_class() -> None:
    images = [(0, 1, 0.3), (0, 0, 0.4), (2, 2, 0.9), (0, 0, 0.99), (1, 0, 0.8), (2, 2, 0.99), (3, 1, 0.8)]
    one = made(images)
    wrong, right = written(gallery.pictures(one)).split("<h3>Right</h3>")
    assert shown(one, wrong) == [4, 6, 0], "of two as sure the first"
    assert shown(one, right) == [1, 2]
    assert "class 1 named class 0, 80.0 %" in plain(wrong)
    assert "class 2 90.0 %" in plain(right)


def test_no_more_than_a_dozen_of_a_kind() -> None:
    one = made([(i % 2, 1 - i % 2, i / 40) for i in range(30)])
    wrong, right = written(gallery.pictures(one)).split("<h3>Right</h3>")
    assert shown(one, wrong) == list(range(29, 29 - gallery.MOST, -1))
    assert "The student named none right." in right
    assert written(gallery.pictures(made([]))) == ""


def test_where_they_look_stands_beside_the_image_what_is_wrong_first() -> None:
    one = made([(0, 0, 0.9), (1, 2, 0.9), (2, 2, 0.9), (3, 1, 0.9)], teacher=[0, 2, 1, 3])
    heats = [
        {"index": i, "what": what, "format": "png", "picture": square(100 + i)}
        for i in (0, 1, 2, 3)
        for what in ("student", "teacher")
    ]
    one = replace(one, examples=tables.table("examples", [*one.examples.to_pylist(), *heats], one.note))
    html = written(gallery.saliency(one))
    assert "From left to right the image, the teacher and the student" in html
    captions = re.findall(r"<figcaption>(.*?)</figcaption>", html)
    assert [plain(caption) for caption in captions] == [
        "class 1 : both name it class 2",
        "class 3 : the student names it class 1",
        "class 0",
        "class 2 : the teacher names it class 1",
    ]
    alts = re.findall(r"alt=\"(.*?)\"", html)
    assert alts[:3] == ["An image: class 1", "Where the teacher looks: class 1", "Where the student looks: class 1"]
    assert len(alts) == 4 * 3


def test_who_cannot_be_asked_where_it_looks_is_said() -> None:
    assert written(gallery.saliency(made([(0, 0, 0.5)]))) == ""
    one = made([(0, 0, 0.5)])
    one.note["looks"] = {"missing": {"student": "the stages of toy are not known"}}
    assert "Of the student it cannot be told: the stages of toy are not known" in written(gallery.saliency(one))


def test_what_was_evaluated_names_the_networks_and_a_foreign_teacher() -> None:
    one = evaluation(classes=3, images=6)
    text = plain(written(sections.summary(one)))
    assert "Images 6 of 3 classes, split test" in text
    assert "Student resnet8 from student.safetensors, 77 000 parameters" in text
    assert "Epoch of the run last Seed of the run 0 Fingerprint of the method 0123456789abcdef" in text
    assert "not the one that taught" not in text
    assert "drawn by" not in text
    one.note["drawn_by"] = "0/0/100"
    assert "split test, drawn by 0/0/100" in plain(written(sections.summary(one)))
    one.note["run"]["own_teacher"] = False
    assert "77 000 parameters, not the one that taught the student" in plain(written(sections.summary(one)))
