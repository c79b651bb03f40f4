"""Trackers hear of a study what its ledger says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune import launch
from dfkd_ray.tune.curves import unpacked
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.observers import tracking
from dfkd_ray.util.errors import ConfigError, MissingExtra
from tests.tune import toys
from tests.tune.observers.test_sending import Book, book

pytestmark = pytest.mark.usefixtures("no_fsync")
THREE = {"budget: {trials: 8}": "budget: {trials: 3}"}


class Study(Book):
    """With the metric of the toys."""

    def point(self, curve: Any, epoch: int, point: Any) -> None:
        self._take(curve.key, epoch, point.metrics["val_accuracy"])


@pytest.fixture
def told(book: Book) -> Book:
    book.point = Study.point.__get__(book)  # type: ignore[method-assign]
    return book


def in_the_ledger(folder: Path) -> list[Any]:
    out: list[Any] = []
    for record in read_records(folder / NAME)[0]:
        key = f"trial-{record.get('trial', 0):04d}"
        if record["kind"] == "asked":
            out.append(("begin", key))
        elif record["kind"] == "row":
            out.append((key, record["epoch"], dict(zip(*unpacked(record)))["val_accuracy"]))
        elif record["kind"] == "ended":
            out.append(("end", key, record["state"]))
    return out


def test_a_tracker_is_told_the_ledger_and_a_resume_tells_it_again_through_the_options(
    tmp_path: Path, told: Book
) -> None:
    class Crash(BaseException):
        pass

    told.fails = lambda call: Crash() if call == 9 else None
    with pytest.raises(Crash):
        toys.start(toys.study(THREE), toys.Toy(), tmp_path, track=("tensorboard",))
    told.fails = lambda call: None
    assert told.told == in_the_ledger(tmp_path)[: len(told.told)]
    toys.resume(tmp_path, toys.Toy())
    assert told.told == in_the_ledger(tmp_path)
    calls = told.calls
    toys.resume(tmp_path, toys.Toy())
    assert told.calls == calls + 1, "it is opened, and lacks nothing"


def test_who_comes_late_is_told_all(tmp_path: Path, told: Book) -> None:
    toys.start(toys.study(THREE), toys.Toy(), tmp_path)
    assert told.told == []
    toys.resume(tmp_path, toys.Toy(), track=("tensorboard",))
    assert sorted(map(str, told.told)) == sorted(map(str, in_the_ledger(tmp_path)))


def test_a_study_may_say_so_itself_and_the_command_says_it_over_that(tmp_path: Path, told: Book) -> None:
    study = toys.study({"budget: {trials: 8}": "budget: {trials: 1}\ntrack: tensorboard:events"})
    toys.start(study, toys.Toy(), tmp_path / "a")
    assert told.opened == [str(Path("events").resolve())], "wherever one resumes"
    assert read_records(tmp_path / "a" / NAME)[0][0]["options"]["track"] == [f"tensorboard:{told.opened[0]}"]
    toys.start(study, toys.Toy(), tmp_path / "b", track=("tensorboard:elsewhere",))
    assert told.opened[1:] == [str(Path("elsewhere").resolve())]


def test_no_tracker_stops_a_study(tmp_path: Path, told: Book, capsys: pytest.CaptureFixture[str]) -> None:
    told.fails = lambda call: OSError("nobody is there")
    summary = toys.start(toys.study(THREE), toys.Toy(), tmp_path, track=("tensorboard",))
    assert summary.finished
    assert capsys.readouterr().err.splitlines() == [
        "warning: tensorboard: nobody is there; the work goes on, and what is missing is sent later",
        f"warning: tensorboard: still away; what it lacks is sent by: dfkd-ray resume {tmp_path}",
    ]
    told.fails = lambda call: None
    toys.resume(tmp_path, toys.Toy())
    assert sorted(map(str, told.told)) == sorted(map(str, in_the_ledger(tmp_path)))


def test_a_trial_that_failed_and_is_run_again_is_another_curve(tmp_path: Path, told: Book) -> None:
    toys.start(toys.study(THREE), toys.Toy(raises_at=2, only=(1,)), tmp_path, track=("tensorboard",))
    launch.resume(tmp_path, lambda history, options: (toys.Toy(), {"provenance": {}}), failed=True)
    ends = [each for each in told.told if each[0] == "end"]
    assert ("end", "trial-0001", "failed") in ends
    assert [each[1] for each in ends].count("trial-0001-2") == 1
    assert len(ends) == 4


def test_what_is_missing_is_told_before_the_study_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfkd_ray.tune.observers.sending.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="--track wandb needs wandb"):
        toys.start(toys.study(THREE), toys.Toy(), tmp_path / "s", track=("wandb",))
    assert not (tmp_path / "s").exists()


def test_an_unknown_one_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as told:
        toys.Options(track=("tensorbord",))
    assert str(told.value) == (
        "--track: unknown tracker 'tensorbord'; did you mean 'tensorboard'? (known: mlflow, optuna, tensorboard, wandb)"
    )


def test_a_study_is_told_from_others_of_its_name(tmp_path: Path, told: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    idents: list[str] = []
    real = tracking.about_study
    monkeypatch.setattr(tracking, "about_study", lambda study: (idents.append(real(study).ident), real(study))[1])
    for name in ("a", "b"):
        toys.start(toys.study(THREE), toys.Toy(), tmp_path / name, track=("tensorboard",))
    toys.resume(tmp_path / "a", toys.Toy())
    assert idents[0] != idents[1]
    assert idents[2] == idents[0]
    assert all(len(ident) == 8 for ident in idents)


def test_the_ledger_keeps_no_password(tmp_path: Path, told: Book) -> None:
    how = toys.Options(track=("optuna:postgresql://me:word@here/db", "optuna:postgresql://me@here/db"))
    assert how.plain()["track"] == ["optuna:postgresql://REDACTED@here/db", "optuna:postgresql://me@here/db"]
    assert toys.Options.of(json.loads(json.dumps(how.plain()))).track[1] == how.track[1]


__all__ = ["book"]
