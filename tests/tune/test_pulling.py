"""What `pull` makes of a study in a store."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.tune.copies import publish
from dfkd_ray.tune.pulling import fetch
from dfkd_ray.util import store
from dfkd_ray.util.errors import StudyError
from tests.tune import stored, toys


def test_a_study_is_fetched_with_the_students_that_are_wanted(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StudyError, match=rf"^{bucket} holds no study to pull$"):
        fetch(bucket, tmp_path / "none", "best")
    assert not (tmp_path / "none").exists()
    toys.start(toys.study(text=stored.STUDY), stored.Kept(), home := store.folder_of(bucket))
    publish(home)
    for students, count in (("none", 0), ("best", 1), ("all", 1)):  # of the others the study itself keeps none
        folder = tmp_path / "copies" / students
        files = fetch(bucket, folder, students)  # type: ignore[arg-type]
        assert files == sum(path.is_file() for path in folder.rglob("*"))
        assert (folder / "ledger.jsonl").read_bytes() == (home / "ledger.jsonl").read_bytes()
        assert len(list(folder.rglob("student.safetensors"))) == count
        assert not list(folder.rglob("checkpoint*"))
        assert store.place_of(folder) == bucket
