"""A teacher's epochs, told again by a resume, are in a tracker once."""

from __future__ import annotations

from pathlib import Path

import pytest

from dfkd_ray.tune.observers.lone import Lone
from dfkd_ray.util.errors import ConfigError
from tests.tune.observers.test_sending import Book, book


class Crash(BaseException):
    pass


def train(folder: Path, epochs: int, fresh: bool = False, ends: bool = False) -> None:
    with Lone(["tensorboard"], "digits_resnet8", folder, {"lr": 0.1}, fresh) as followed:
        for epoch in range(1, epochs + 1):
            followed.point(epoch, {"a": epoch / 2}, float(epoch))
        if ends:
            followed.end({"accuracy/val": 0.9})


def test_epochs_that_are_told_again_are_not_doubled(tmp_path: Path, book: Book) -> None:
    train(tmp_path / "t", 2)
    ident = (tmp_path / "t" / "ident").read_text()
    train(tmp_path / "t", 3, ends=True)
    key = "digits_resnet8"
    assert book.told == [("begin", key), (key, 1, 0.5), (key, 2, 1.0), (key, 3, 1.5), ("end", key, "complete")]
    assert (tmp_path / "t" / "ident").read_text() == ident
    train(tmp_path / "t", 1, fresh=True)
    assert (tmp_path / "t" / "ident").read_text() != ident, "another training"


def test_one_that_is_trained_again_is_told_as_another(tmp_path: Path, book: Book) -> None:
    train(tmp_path / "t", 2, ends=True)
    ident = (tmp_path / "t" / "ident").read_text()
    book.told.clear()
    train(tmp_path / "t", 2, ends=True)  # its file was removed, or epochs would not be told
    key = "digits_resnet8"
    assert book.told == [("begin", key), (key, 1, 0.5), (key, 2, 1.0), ("end", key, "complete")]
    assert (tmp_path / "t" / "ident").read_text() != ident


def test_a_teacher_that_is_there_has_nothing_to_tell(tmp_path: Path, book: Book) -> None:
    train(tmp_path / "t", 0, ends=True)
    assert (book.told, book.opened, list(tmp_path.iterdir())) == ([], [], [])


def test_away_is_said_and_training_goes_on(tmp_path: Path, book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.fails = lambda call: OSError("nobody is there")
    train(tmp_path / "t", 2, ends=True)
    assert capsys.readouterr().err.splitlines() == [
        "warning: tensorboard: nobody is there; the work goes on, and what is missing is sent later",
        "warning: tensorboard: still away; what it lacks is not told again: a teacher that is done has no ledger",
    ]


def test_a_folder_that_cannot_be_made_stops_no_training(
    tmp_path: Path, book: Book, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "t").write_text("a file")
    train(tmp_path / "t", 2, ends=True)
    assert capsys.readouterr().err.startswith("warning: no tracker is told: [Errno 17] File exists: ")
    assert book.opened == []


@pytest.mark.parametrize(
    ("track", "told"),
    [
        ("optuna", "--track: optuna is for studies: a teacher has no trials"),
        (
            "wandbb",
            "--track: unknown tracker 'wandbb'; did you mean 'wandb'? (known: mlflow, optuna, tensorboard, wandb)",
        ),
    ],
)
def test_what_is_refused(tmp_path: Path, track: str, told: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Lone([track], "x", tmp_path / "t", {})
    assert str(refused.value) == told


__all__ = ["book"]
