"""Bringing a tracker up to date: it is told what is known, and never an event alone.

A tracker may be told the same again, by a resume or after it was away, and doubles nothing: what it holds it finds out
by itself. So nothing is lost or doubled, whoever is killed and whenever. A trial that a tracker has to its end is
noted, after that, in `tracked/` of the study's folder, and is not asked about again.
"""

from __future__ import annotations

import os
import sys
import time
import zlib
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from dfkd_ray.study import Study
from dfkd_ray.study.trackers import Track
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util.errors import MissingExtra
from dfkd_ray.util.secrets import HIDDEN, redacted
from dfkd_ray.util.words import shorten

FOLDER = "tracked"
PAUSE = 60.0  # seconds: a tracker that was away is tried again after them
PATIENCE = 10  # seconds that a server may take
PLACES = {"mlflow": "MLFLOW_TRACKING_URI", "wandb": "WANDB_PROJECT", "optuna": "OPTUNA_STORAGE"}  # by environment


@dataclass(frozen=True)
class About:
    """What is tracked: a study, or the training of a teacher. `ident`: hex digits that tell it from others of its
    name; `folder`: where a tracker without a place of its own writes."""

    name: str
    ident: str
    folder: Path
    facts: Mapping[str, str] = field(default_factory=dict)
    study: Study | None = None


class Point(NamedTuple):
    """What there is of an epoch; `seconds` of work since the start; `picture`: its synthetic images as a PNG file."""

    metrics: Mapping[str, float]
    seconds: float
    picture: bytes | None = None


@dataclass(frozen=True)
class Curve:
    """One trial, or a teacher, as it stands: `at(epoch)` up to `epoch`, and what it has come to once it has ended."""

    key: str
    settings: Mapping[str, Any]
    epoch: int
    at: Callable[[int], Point | None]
    started: float | None = None  # by the clock on the wall
    state: str = "running"
    final: Mapping[str, float] = field(default_factory=dict)
    trial: Trial | None = None


class Tracker(Protocol):
    """A tool that is open. Any of this may be told again, and may raise anything: then the tracker is away."""

    def begin(self, curve: Curve) -> None:
        """Make room for a curve, or find what there is of it: before its points, once a session."""

    def point(self, curve: Curve, epoch: int, point: Point) -> None:
        """Take in an epoch."""

    def end(self, curve: Curve) -> None:
        """The curve has ended: its state and final metrics."""

    def close(self) -> None:
        """No more is told in this session; curves that run may go on in another."""


Open = Callable[[str, About], Tracker]  # (place, or nothing; what is tracked)


def opener(track: Track) -> Open:
    """Who opens a tracker; MissingExtra where its package is not installed."""
    server = track.name == "optuna" and _place(track).startswith("postgres")
    package, extra = ("psycopg", "postgresql") if server else (track.name, track.name)
    if find_spec(package) is None:
        raise MissingExtra(package, extra, f"--track {track.name}")

    def opened(place: str, about: About) -> Tracker:
        module = import_module(f"dfkd_ray.tune.observers.{track.name}")
        made: Tracker = module.open_tracker(place, about)
        return made

    return opened


class Sender:
    """Brings one tracker up to date, by whatever is known. What fails is said once; it is tried again after a while, at
    the end, and by whoever resumes."""

    def __init__(self, track: Track, about: About, everything: Callable[[], Iterable[Curve]], lacks: str) -> None:
        self.track, self.about, self.everything, self.lacks = track, about, everything, lacks
        self._open = opener(track)
        self._tracker: Tracker | None = None
        self._again, self._said = 0.0, False
        self._until: dict[str, int] = {}  # of curves that have not ended, up to which epoch they were told
        self._path: Path | None = None
        self._sent: set[str] = set()

    def send(self, curves: Iterable[Curve]) -> None:
        """Tell what is new of these; of all, where the tracker was away."""
        if self._tracker is None and time.monotonic() < self._again:
            return
        try:
            if self._tracker is None:
                self._tracker, curves = self._opened(), self.everything()
            for curve in curves:
                self._tell(self._tracker, curve)
        except Exception as error:
            self._away(error)

    def close(self) -> None:
        """Try once more where it was away, and leave."""
        self._again = 0.0
        self.send(())
        if self._tracker is None:
            self._warn(f"still away; {self.lacks}")
            return
        try:
            self._tracker.close()
        except Exception as error:
            self._away(error)

    def _opened(self) -> Tracker:
        place = _place(self.track)
        if not place and HIDDEN in self.track.place:
            way_on = f"say --track {self.track.name}:... again, or set {PLACES[self.track.name]}"
            raise ValueError(f"the ledger keeps no password, and has {self.track.place}: {way_on}")
        named = f"{self.track.name}-{zlib.crc32(redacted(place).encode()):08x}"
        self._path = self.about.folder / FOLDER / named
        self._sent = _lines(self._path)
        return self._open(place, self.about)

    def _tell(self, tracker: Tracker, curve: Curve) -> None:
        if curve.key in self._sent:
            return
        if curve.key not in self._until:
            tracker.begin(curve)
            self._until[curve.key] = 0
        for epoch in range(self._until[curve.key] + 1, curve.epoch + 1):
            if (point := curve.at(epoch)) is not None:
                tracker.point(curve, epoch, point)
            self._until[curve.key] = epoch
        if curve.state != "running":
            tracker.end(curve)
            del self._until[curve.key]
            self._note(curve.key)

    def _note(self, key: str) -> None:
        assert self._path is not None
        self._sent.add(key)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{key}\n")

    def _away(self, error: Exception) -> None:
        tracker, self._tracker = self._tracker, None
        self._until.clear()
        if tracker is not None:
            with suppress(Exception):
                tracker.close()
        self._again = time.monotonic() + PAUSE
        if not self._said:
            self._said = True
            told = shorten(redacted(str(error) or type(error).__name__), 300)
            self._warn(f"{told}; the work goes on, and what is missing is sent later")

    def _warn(self, what: str) -> None:
        print(f"warning: {self.track.name}: {what}", file=sys.stderr, flush=True)


def _place(track: Track) -> str:
    """Where a tracker is, as was said, else as its own environment says; a ledger keeps no place with a password."""
    variable = PLACES.get(track.name, "")
    said = os.environ.get(variable, "")
    return (track.place if HIDDEN not in track.place else "") or said


def _lines(path: Path) -> set[str]:
    """The lines of a file, without one that was not written to its end."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    return {line[:-1] for line in text.splitlines(keepends=True) if line.endswith("\n")}
