from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from tests.report.evaluations import evaluation, hostile, write


def test_shares_and_confusions_are_those_of_the_rows() -> None:
    made = evaluation(classes=7, images=100)
    rows = made.evaluation.to_pylist()
    for network in ("student", "teacher"):
        for label, share in enumerate(made.by_class(network)):
            own = [row[network] for row in rows if row["label"] == label]
            assert share == pytest.approx(own.count(label) / len(own))
    assert sum(made.confusions.values()) == 100
    for (label, named), images in made.confusions.items():
        assert images == sum((row["label"], row["student"]) == (label, named) for row in rows)
    assert made.counts.sum() == 100


def test_a_class_without_images_has_no_share_and_one_without_a_name_has_its_number() -> None:
    made = evaluation(classes=6, images=4)
    assert made.by_class("student")[5] is None
    parts = {"evaluation": made.evaluation.to_pylist(), "examples": []}
    nameless = EvaluationTables(**{kind: tables.table(kind, rows, {}) for kind, rows in parts.items()})
    assert nameless.classes == ("0", "1", "2", "3")
    assert nameless.share("student", "top1") is None
    assert (nameless.bins("student"), nameless.confused) == ([], [])


def test_without_a_teacher_there_is_one_network() -> None:
    assert evaluation().networks == ("student", "teacher")
    assert evaluation(teacher=False).networks == ("student",)


def test_only_pictures_that_a_page_can_carry_are_kept() -> None:
    made = hostile()
    assert (1, "image") in made.pictures, "the sound one of two"
    assert {kind for kind, _ in made.pictures.values()} == {"png"}


def test_tables_come_back_and_a_missing_or_foreign_one_is_named(tmp_path: Path) -> None:
    made = evaluation()
    back = EvaluationTables.read(write(tmp_path, made))
    assert back.evaluation.equals(made.evaluation)
    assert back.note == made.note
    (tmp_path / "examples.arrow").unlink()
    with pytest.raises(StudyError, match=r"examples\.arrow: there is no such table"):
        EvaluationTables.read(tmp_path)
    tables.write(made.evaluation, tmp_path / "examples.arrow")
    with pytest.raises(StudyError, match=r"examples\.arrow: not a table of examples: no column"):
        EvaluationTables.read(tmp_path)
