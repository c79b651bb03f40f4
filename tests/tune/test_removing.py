"""A study is moved to the trash, and never deleted."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.tune.ledger import NAME, Ledger
from dfkd_ray.tune.removing import to_trash
from dfkd_ray.util import store
from dfkd_ray.util.errors import StudyError
from tests.tune.test_standing import write


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_it_goes_to_the_trash_beside_it_whole_as_often_as_there_is_one(tmp_path: Path) -> None:
    for place in ("toy", "reports/toy", str(tmp_path / "reports" / "toy")):
        folder = write(Path("reports/toy"))
        data = (folder / NAME).read_bytes()
        moved = to_trash(place)
        assert not folder.exists()
        assert (moved / NAME).read_bytes() == data
    assert sorted(each.name for each in (tmp_path / "reports" / "trash").iterdir()) == ["toy", "toy.1", "toy.2"]
    assert to_trash(str(write(Path("alone")))) == tmp_path / "trash" / "alone"


def test_what_runs_stays() -> None:
    folder = write(Path("reports/toy"))
    with (
        Ledger(folder),
        pytest.raises(StudyError, match=r"^reports/toy: this study is being run already by process \d+"),
    ):
        to_trash("toy")
    assert (folder / NAME).is_file()
    assert not Path("reports/trash").exists()


def test_what_is_no_study_of_this_disk_stays() -> None:
    folder = write(Path("reports/toy"))
    (folder / "trials" / "0003").mkdir(parents=True)
    Path("mine").mkdir()
    for place, message in {
        "mine": "mine holds no study and no run, so it is left alone: there is no ledger.jsonl in it",
        "tox": "tox holds no study and no run, so it is left alone: there is no such folder; did you mean 'toy'? "
        "(known: toy)",
        "toy/trials/0003": "reports/toy/trials/0003 is trial 3 of a study, which counts on it: remove the study, "
        "reports/toy",
        "s3://bucket/toy": "s3://bucket/toy: what lies in a store is removed with the store's own tools",
    }.items():
        with pytest.raises(StudyError) as caught:
            to_trash(place)
        assert str(caught.value) == message
    (folder / store.NAME).write_text("s3://bucket/toy\n")
    with pytest.raises(StudyError, match=r"^reports/toy is the copy of s3://bucket/toy: delete the folder where only"):
        to_trash("toy")
