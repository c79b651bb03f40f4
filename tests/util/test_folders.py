"""Where a trial's folder stands in its study's, and back."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.util import folders

STUDY = Path("reports/mhad")


@pytest.mark.parametrize(("number", "name"), [(0, "0000"), (37, "0037"), (12345, "12345")])
def test_a_trials_folder_and_back(number: int, name: str) -> None:
    assert folders.of_trial(STUDY, number) == STUDY / "trials" / name
    assert folders.place(folders.of_trial(STUDY, number)) == (STUDY, number)


@pytest.mark.parametrize("path", [STUDY, STUDY / "trials", STUDY / "0003", STUDY / "trials/best", "winner", ".", "/"])
def test_other_folders_are_none_of_a_trial(path: str | Path) -> None:
    assert folders.place(Path(path)) is None


def test_who_stands_in_a_trials_folder_may_call_it_a_dot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside = folders.of_trial(tmp_path, 3)
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    assert folders.place(Path()) == (tmp_path, 3)


def test_trials_with_students_go_by_number(tmp_path: Path) -> None:
    assert folders.with_students(tmp_path) == []
    for number in (10000, 2, 5):
        folders.of_trial(tmp_path, number).mkdir(parents=True)
    for number in (10000, 2):
        (folders.of_trial(tmp_path, number) / "student.safetensors").write_bytes(b"weights")
    assert folders.with_students(tmp_path) == [2, 10000]


def test_trials_with_folders_go_by_number(tmp_path: Path) -> None:
    assert folders.trials(tmp_path) == []
    for name in ("10000", "0002", "notes"):
        (tmp_path / "trials" / name).mkdir(parents=True)
    assert folders.trials(tmp_path) == [2, 10000]


def test_trials_of_which_there_are_files_by_name() -> None:
    names = [
        "trials/0002/run.json",
        "trials/0010/run.json",
        "trials/0002/a/b",
        "trials/best/x",
        "trials/0003",
        "a/0001/b",
    ]
    assert folders.trials_in(names) == [2, 10]
