"""Who wants to know how a study goes: live view, tables, trackers. They listen to the ledger and decide nothing.

A record is in the ledger before anybody hears of it, and each is told by what it is about: (trial, epoch), or the end
of a trial. After a resume nothing is told twice or lost: an observer with a `name` keeps its place in the ledger in
`observers.json`, and is first told what it has missed; one without begins with the study as it stands.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import Ledger, Record
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.sealed import is_sound, seal_json

PLACES = "observers.json"


class Progress(Protocol):
    """A study that is being run, to look at whenever one likes: the history moves on."""

    @property
    def folder(self) -> Path: ...
    @property
    def history(self) -> History: ...
    @property
    def max_epochs(self) -> int: ...

    @property
    def concurrency(self) -> int:
        """Trials at a time."""
        ...

    @property
    def total(self) -> int | None:
        """How many trials there will be at most, where that is known."""
        ...


class Observer:
    """Does nothing by itself: a listener overrides what it wants to hear."""

    name = ""  # under which its place in the ledger is kept; empty: it needs none, since it keeps nothing elsewhere

    def start(self, study: Progress) -> None:
        """The study begins, or goes on."""

    def begin(self, trial: Trial) -> None:
        """A trial starts: for the first time, or again (`trial.attempts`)."""

    def row(self, trial: Trial, epoch: int) -> None:
        """A trial has done an epoch: `trial.rows[epoch]`, and `trial.pictures` where it sent one."""

    def accident(self, trial: Trial) -> None:
        """Something that is not its doing has ended an attempt of a trial, which will be tried again: its reason."""

    def end(self, trial: Trial) -> None:
        """A trial has ended: its state, reason, values, final metrics."""

    def finish(self) -> None:
        """All trials have ended, and there will be no more."""

    def close(self) -> None:
        """This session is over, whatever the reason; told even where others failed."""


class Observers:
    """All of them as one. What fails in one of them is said in a line, and the study goes on."""

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.all = tuple(observers)
        self.places: dict[str, int] = {}
        self.records = 0
        self._said: set[str] = set()

    def start(self, study: Progress, ledger: Ledger) -> None:
        """Before the first record of a session: those of earlier ones are in the ledger."""
        self.path, self.records, self.history = study.folder / PLACES, ledger.count, study.history
        self.places = _read(self.path)
        for each in self.all:
            self._tell(each, each.start, study)
            for record in ledger.since(self.places.get(each.name, 0)) if each.name else ():
                self._pass_on(each, record)
        self._keep_places()

    def record(self, record: Record) -> None:
        """A record is in the ledger, and the history has taken it in."""
        self.records += 1
        for each in self.all:
            self._pass_on(each, record)
        if record["kind"] in ("row", "ended", "finished"):
            self._keep_places()

    def close(self) -> None:
        for each in self.all:
            self._tell(each, each.close)

    def _pass_on(self, each: Observer, record: Record) -> None:
        if record["kind"] == "started":
            self._tell(each, each.begin, self.history.trials[record["trial"]])
        elif record["kind"] == "row":
            self._tell(each, each.row, self.history.trials[record["trial"]], record["epoch"])
        elif record["kind"] == "accident":
            self._tell(each, each.accident, self.history.trials[record["trial"]])
        elif record["kind"] == "ended":
            self._tell(each, each.end, self.history.trials[record["trial"]])
        elif record["kind"] == "finished":
            self._tell(each, each.finish)

    def _tell(self, each: Observer, what: Callable[..., None], *about: Any) -> None:
        try:
            what(*about)
        except Exception as error:
            said = f"{each.name or type(each).__name__}: {error or type(error).__name__}"
            if said not in self._said:
                self._said.add(said)
                print(f"warning: {said}; the study goes on, and the ledger has it all", file=sys.stderr, flush=True)

    def _keep_places(self) -> None:
        named = {each.name: self.records for each in self.all if each.name}
        if named:
            self.places |= named
            with atomic_write(self.path) as file:
                file.write(seal_json(self.places))


def _read(path: Path) -> dict[str, int]:
    try:
        if is_sound(path) is False:
            return {}
        places = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # then everything is told again, which is better than nothing
        return {}
    known = places if isinstance(places, dict) else {}
    return {name: place for name, place in known.items() if isinstance(place, int)}


__all__ = ["Observer", "Observers", "Progress"]
