"""Which files go with a study, and which do not."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.tune.job_files import named, stage
from dfkd_ray.util.errors import StudyError


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    inner = tmp_path / "studies"
    (inner / "methods").mkdir(parents=True)
    (inner / "study.yaml").write_text(
        "method: methods/a.yaml\ntask: ./task.yaml\nquestion: what of unrelated.yaml, and of /etc/passwd?\n"
        "arms: {one: {method: here.yaml}, two: {x: [weights.pt]}}\nlong: " + "x" * 300
    )
    for name in ("methods/a.yaml", "unrelated.yaml"):
        (inner / name).write_text("a: 1")
    (inner / "task.yaml").write_text("teacher: {weights: teacher.safetensors}\nself: task.yaml")
    (inner / "weights.pt").write_bytes(b"\0")
    (inner / "teacher.safetensors").write_bytes(b"\1")
    (tmp_path / "here.yaml").write_text("a: 1")
    monkeypatch.chdir(tmp_path)
    return inner


def test_what_a_study_names_and_what_that_names(folder: Path) -> None:
    found = named(folder / "study.yaml")
    inside = {"study.yaml", "methods/a.yaml", "task.yaml", "weights.pt", "teacher.safetensors"}
    assert found == {**{name: folder / name for name in inside}, "here.yaml": Path("here.yaml")}


def test_own_code_that_is_a_folder_goes_with_its_modules(folder: Path) -> None:
    (folder / "parts" / "deep").mkdir(parents=True)
    (folder / "empty").mkdir()
    modules = ("parts/__init__.py", "parts/deep/inner.py")
    for name in (*modules, "parts/notes.txt"):
        (folder / name).write_text("")
    (folder / "code.yaml").write_text("plugins: [./parts, empty]")
    assert named(folder / "code.yaml") == {name: folder / name for name in ("code.yaml", *modules)}


def test_they_are_staged_by_their_names(folder: Path, tmp_path: Path) -> None:
    stage(named(folder / "study.yaml"), tmp_path / "staged")
    there = tmp_path / "staged"
    assert (there / "methods" / "a.yaml").read_text() == "a: 1"
    assert (there / "here.yaml").read_text() == "a: 1"


def test_what_is_elsewhere_is_refused(folder: Path) -> None:
    (folder / "up.yaml").write_text("method: ../here.yaml")
    with pytest.raises(StudyError) as refused:
        named(folder / "up.yaml")
    assert str(refused.value) == (
        f"{folder / 'up.yaml'} names ../here.yaml, which is not beside it: send a folder that has both, --folder"
    )


def test_an_absolute_path_is_one_on_the_cluster(folder: Path) -> None:
    (folder / "abs.yaml").write_text(f"method: {folder / 'task.yaml'}")
    assert set(named(folder / "abs.yaml")) == {"abs.yaml"}
