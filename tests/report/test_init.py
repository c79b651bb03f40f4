"""What is written beside the tables: a page whole or not at all, and the arms of an ablation to paste."""

from __future__ import annotations

import json
from html import escape
from pathlib import Path

import pytest

from dfkd_ray.report import build
from dfkd_ray.util.errors import StudyError
from tests.report import ablations
from tests.report.evaluations import evaluation
from tests.report.evaluations import write as write_evaluation
from tests.report.packed import unpacked
from tests.report.studies import demo, study, write


def test_build_writes_the_page_beside_the_tables_and_leaves_nothing_else(tmp_path: Path) -> None:
    write(tmp_path, demo())
    before = {p.name for p in tmp_path.iterdir()}
    assert build(tmp_path) == tmp_path / "report.html"
    assert {p.name for p in tmp_path.iterdir()} == before | {"report.html"}
    assert (tmp_path / "report.html").read_text(encoding="utf-8").startswith("<!doctype html>")


def test_beside_the_page_of_an_ablation_stand_its_arms_to_paste(tmp_path: Path) -> None:
    write(tmp_path, ablations.leave_one_out())
    before = {p.name for p in tmp_path.iterdir()}
    html = build(tmp_path).read_text(encoding="utf-8")
    assert {p.name for p in tmp_path.iterdir()} == before | {"report.html", "arms.md", "arms.tex"}
    for name in ("arms.md", "arms.tex"):
        assert escape((tmp_path / name).read_text(encoding="utf-8")) in html


def test_the_page_of_a_trial_stands_in_its_folder_which_is_made_where_it_left_none(tmp_path: Path) -> None:
    write(tmp_path, demo())
    target = tmp_path / "trials" / "0005" / "report.html"
    assert build(tmp_path, 5) == target
    assert [path.name for path in target.parent.iterdir()] == ["report.html"]
    assert "<title>Trial 5 of mhad · dfkd-ray</title>" in target.read_text(encoding="utf-8")
    assert not (tmp_path / "report.html").exists()
    with pytest.raises(StudyError, match=r"^mhad has no trial 12: they go from 0 to 11$"):
        build(tmp_path, 12)
    assert [path.name for path in (tmp_path / "trials").iterdir()] == ["0005"]


def test_the_commands_of_a_page_name_the_folder_from_where_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "my runs" / "mhad"
    folder.mkdir(parents=True)
    write(folder, demo())

    def named(place: Path) -> str:
        monkeypatch.chdir(place)
        held: str = json.loads(unpacked(build(folder).read_text(encoding="utf-8"), "trials-data"))["folder"]
        return held

    (tmp_path / "elsewhere").mkdir()
    assert named(tmp_path) == "'my runs/mhad'"
    assert named(folder) == "."
    assert named(tmp_path / "elsewhere") == f"'{folder}'"


def test_a_page_that_fails_leaves_the_old_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, study())
    build(tmp_path)
    old = (tmp_path / "report.html").read_bytes()

    def torn(*_: object) -> None:
        raise OSError("disk is full")

    monkeypatch.setattr("os.replace", torn)
    with pytest.raises(OSError, match="disk is full"):
        build(tmp_path)
    assert (tmp_path / "report.html").read_bytes() == old
    assert not list(tmp_path.glob(".*.tmp"))


def test_build_without_tables_says_which_are_missing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"a report needs trials\.arrow, steps\.arrow and images\.arrow"):
        build(tmp_path)


def test_a_folder_with_an_evaluation_gets_the_page_of_that(tmp_path: Path) -> None:
    write(tmp_path, demo())
    write_evaluation(tmp_path, evaluation(classes=2, images=4))
    assert build(tmp_path) == tmp_path / "evaluation.html"
    assert not (tmp_path / "report.html").exists()
