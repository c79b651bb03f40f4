"""Trackers listen to the ledger: each is told how the trials of a study stand."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from hashlib import sha256
from pathlib import Path

from dfkd_ray.study.trackers import Track, absolute, parse
from dfkd_ray.tune.ledger import NAME
from dfkd_ray.tune.observers import Observer, Progress
from dfkd_ray.tune.observers.sending import About, Curve, Point, Sender, opener
from dfkd_ray.tune.pictures import as_png
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util.store import place_of
from dfkd_ray.util.words import typed


class Tracking(Observer):
    """Tells one tracker how a study goes. It keeps no place in the ledger: what the tracker has is looked for there."""

    def __init__(self, track: Track) -> None:
        self.track = track
        opener(track)  # what is missing is told before anything is run
        self._begun = 0  # trials that were told of, in the order of their numbers

    def start(self, study: Progress) -> None:
        self.study = study
        lacks = f"what it lacks is sent by: dfkd-ray resume {typed(place_of(study.folder))}"
        self.sender = Sender(self.track, about_study(study), self._all, lacks)
        self.sender.send(self._all())
        self._begun = len(study.history.trials)

    def begin(self, trial: Trial) -> None:
        new = range(self._begun, trial.number + 1)
        self._begun = max(self._begun, trial.number + 1)
        self.sender.send([self._curve(self.study.history.trials[number]) for number in new])

    def row(self, trial: Trial, epoch: int) -> None:
        self.sender.send([self._curve(trial)])

    def end(self, trial: Trial) -> None:
        self.begin(trial)  # of one that was taken over nobody has heard
        self.sender.send([self._curve(trial)])

    def close(self) -> None:
        self.sender.close()

    def _all(self) -> list[Curve]:
        return [self._curve(trial) for trial in self.study.history.trials.values()]

    def _curve(self, trial: Trial) -> Curve:
        return curve_of(trial, self.study.folder)


def listening(tracks: Iterable[str]) -> tuple[Tracking, ...]:
    """An observer for each of these trackers; MissingExtra where a package is not installed."""
    return tuple(Tracking(parse(text)) for text in dict.fromkeys(map(absolute, tracks)))


def about_study(study: Progress) -> About:
    """A study is told from others of its name by the first line of its ledger, which has the time of its beginning."""
    with (study.folder / NAME).open("rb") as file:
        ident = sha256(file.readline()).hexdigest()[:8]
    made = study.history.study
    facts = {"study": made.study, "method": made.method_name, "preset": made.preset, "task": made.task_name}
    return About(made.study, ident, study.folder.resolve(), facts, made)


def curve_of(trial: Trial, folder: Path) -> Curve:
    """A trial of the study in a folder as trackers have it. One that failed and was run again is another curve."""
    key = f"trial-{trial.number:04d}" + (f"-{trial.again + 1}" if trial.again else "")
    arm = {} if trial.arm is None else {"arm": trial.arm}
    settings = {**arm, **trial.changes, "seed": trial.seed}
    at = partial(_point, trial, folder)
    return Curve(key, settings, trial.epoch, at, trial.started, trial.state, trial.final, trial)


def _point(trial: Trial, folder: Path, epoch: int) -> Point | None:
    if (row := trial.rows.get(epoch)) is None:
        return None
    kept = trial.pictures.get(epoch)
    return Point(row["metrics"], row["seconds"], None if kept is None else as_png(folder, kept))
