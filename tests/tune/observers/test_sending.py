"""A tracker is brought up to date whatever fails and whenever: here one that writes down what it is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.study.trackers import Track
from dfkd_ray.tune.observers import sending
from dfkd_ray.tune.observers.sending import About, Curve, Point, Sender
from dfkd_ray.util.errors import MissingExtra

LACKS = "what it lacks is sent by: dfkd-ray resume x"


class Book:
    """What outlives the tracker, as its server does; `fails` says of what it is told whether it is away by then."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.calls = 0
        self.opened: list[str] = []
        self.fails: Callable[[int], BaseException | None] = lambda call: None

    def open_tracker(self, place: str, about: About) -> Book:
        self.opened.append(place)
        self._maybe()
        return self

    def begin(self, curve: Curve) -> None:
        self._take("begin", curve.key)

    def point(self, curve: Curve, epoch: int, point: Point) -> None:
        self._take(curve.key, epoch, point.metrics["a"])

    def end(self, curve: Curve) -> None:
        self._take("end", curve.key, curve.state)

    def close(self) -> None:
        pass

    def _take(self, *what: Any) -> None:
        self._maybe()
        if what not in self.told:  # as every tracker has to see by itself
            self.told.append(what)

    def _maybe(self) -> None:
        self.calls += 1
        if (error := self.fails(self.calls)) is not None:
            raise error


@pytest.fixture
def book(monkeypatch: pytest.MonkeyPatch) -> Book:
    """In the place of TensorBoard."""
    made = Book()
    monkeypatch.setitem(sys.modules, "dfkd_ray.tune.observers.tensorboard", made)  # type: ignore[arg-type]
    monkeypatch.setattr(sending, "find_spec", lambda package: SimpleNamespace())
    return made


def curve(key: str, epoch: int, state: str = "running") -> Curve:
    return Curve(key, {}, epoch, lambda e: Point({"a": e / 2}, float(e)), state=state)


def sender(folder: Path, *curves: Curve, track: str = "tensorboard", place: str = "") -> Sender:
    return Sender(Track(track, place), About("s", "00", folder), lambda: curves, LACKS)


WHOLE = [("begin", "t0"), ("t0", 1, 0.5), ("t0", 2, 1.0), ("end", "t0", "complete"), ("begin", "t1"), ("t1", 1, 0.5)]
CURVES = (curve("t0", 2, "complete"), curve("t1", 1))


def grown(of: Sender) -> None:
    """Two curves, as they grow."""
    for each in (curve("t0", 0), curve("t0", 1), curve("t0", 2), CURVES[0], curve("t1", 0), CURVES[1]):
        of.send([each])


def test_each_is_told_once_in_the_order_of_things(tmp_path: Path, book: Book) -> None:
    grown(sender(tmp_path))
    assert (book.told, book.calls) == (WHOLE, 1 + len(WHOLE))
    again = sender(tmp_path, *CURVES)
    again.send(CURVES)
    assert book.told == WHOLE
    assert book.calls == 2 + len(WHOLE) + 2, "what has ended is not asked about again"


@pytest.mark.parametrize("call", range(1, 8))
def test_a_crash_within_any_call_loses_nothing(tmp_path: Path, book: Book, call: int) -> None:
    class Crash(BaseException):
        pass

    book.fails = lambda at: Crash() if at == call else None
    with pytest.raises(Crash):
        grown(sender(tmp_path))
    book.fails = lambda at: None
    sender(tmp_path, *CURVES).send(CURVES)
    assert book.told == WHOLE


@pytest.mark.parametrize("call", range(1, 8))
def test_away_for_a_while_it_is_said_once_and_the_rest_is_sent_at_the_end(
    tmp_path: Path, book: Book, call: int, capsys: pytest.CaptureFixture[str]
) -> None:
    url = "http://me:secret@here/x"
    book.fails = lambda at: OSError(f"call {at}: no route to {url}") if at >= call else None
    made = sender(tmp_path, *CURVES)
    grown(made)
    assert book.told == WHOLE[: call - 2 if call > 1 else 0]
    told = f"call {call}: no route to http://REDACTED@here/x"
    warned = f"warning: tensorboard: {told}; the work goes on, and what is missing is sent later\n"
    assert capsys.readouterr().err == warned
    book.fails = lambda at: None
    made.close()
    assert book.told == WHOLE
    assert capsys.readouterr().err == ""


def test_who_is_away_is_tried_again_after_a_while(tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(sending.time, "monotonic", lambda: now)
    book.fails = lambda at: OSError("away")
    made = sender(tmp_path, *CURVES)
    made.send(())
    made.send(())
    assert book.calls == 1, "a server that is away costs its time once"
    book.fails, now = (lambda at: None), now + sending.PAUSE
    made.send(())
    assert book.told == WHOLE


def test_still_away_at_the_end_says_the_way_on(tmp_path: Path, book: Book, capsys: pytest.CaptureFixture[str]) -> None:
    book.fails = lambda at: OSError("away")
    made = sender(tmp_path)
    made.send(())
    made.close()
    assert capsys.readouterr().err.splitlines()[1:] == [f"warning: tensorboard: still away; {LACKS}"]


def test_a_note_that_was_not_written_to_its_end_is_none(tmp_path: Path, book: Book) -> None:
    ended = [curve("t1", 1, "complete"), curve("t10", 1, "complete")]
    sender(tmp_path, *ended).send(ended)
    (note,) = (tmp_path / sending.FOLDER).iterdir()
    assert note.read_text() == "t1\nt10\n"
    note.write_text("t10\nt1")
    before = book.calls
    sender(tmp_path, *ended).send(ended)
    assert book.calls == before + 1 + 3, "the one that was cut off is told again"


def test_another_place_is_told_all(tmp_path: Path, book: Book) -> None:
    for place in ("a", "b", "a"):
        sender(tmp_path, CURVES[0], place=place).send(())
    assert book.opened == ["a", "b", "a"]
    assert book.calls == 3 + 2 * 4


@pytest.mark.parametrize(
    ("track", "package", "extra"),
    [
        (Track("tensorboard"), "tensorboard", "tensorboard"),
        (Track("mlflow", "http://here"), "mlflow", "mlflow"),
        (Track("wandb"), "wandb", "wandb"),
        (Track("optuna", "postgresql://here/db"), "psycopg", "postgresql"),
    ],
)
def test_a_missing_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, track: Track, package: str, extra: str
) -> None:
    monkeypatch.setattr(sending, "find_spec", lambda name: None)
    with pytest.raises(MissingExtra) as told:
        sending.opener(track)
    needs = f"--track {track.name} needs {package}, which is not installed: pip install 'dfkd-ray[{extra}]'"
    assert str(told.value) == needs


def test_a_place_is_what_was_said_else_what_the_environment_says(
    tmp_path: Path, book: Book, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "dfkd_ray.tune.observers.mlflow", book)  # type: ignore[arg-type]
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    hidden = "http://REDACTED@here"
    for place in ("", "http://there", hidden):
        sender(tmp_path, track="mlflow", place=place).send(())
    assert book.opened == ["", "http://there"]
    assert capsys.readouterr().err == (
        f"warning: mlflow: the ledger keeps no password, and has {hidden}: say --track mlflow:... again, or set "
        "MLFLOW_TRACKING_URI; the work goes on, and what is missing is sent later\n"
    )
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:word@here")
    for place in ("", "http://there", hidden):
        sender(tmp_path, track="mlflow", place=place).send(())
    assert book.opened[2:] == ["http://me:word@here", "http://there", "http://me:word@here"]


def test_a_curve_may_have_gaps(tmp_path: Path, book: Book) -> None:
    """Of a ledger that was repaired."""
    holed = replace(curve("t0", 3), at=lambda e: None if e == 2 else Point({"a": 0.0}, 1.0))
    sender(tmp_path).send([holed])
    sender(tmp_path, holed).send(())
    assert book.told == [("begin", "t0"), ("t0", 1, 0.0), ("t0", 3, 0.0)]
