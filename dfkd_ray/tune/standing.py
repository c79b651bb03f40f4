"""How a study stands, seen from outside: while somebody runs it, and when nobody does. Reads, and changes nothing."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from dfkd_ray.stats import hypervolume
from dfkd_ray.study import pick
from dfkd_ray.tune import by_setting, confirm, ledger
from dfkd_ray.tune.designed import DesignedSearch
from dfkd_ray.tune.history import History
from dfkd_ray.tune.observers.snapshot import Shown, Snapshot, snapshot
from dfkd_ray.util import folders, leases, locks, store, words
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.registry import did_you_mean

State = Literal["running", "finished", "interrupted"]
REPORTS = Path("reports")
TRASH = "trash"  # beside a study: where `rm` moves it


@dataclass(frozen=True)
class Standing:
    """owner: who runs it, None: nobody. quiet: seconds since its last record, by the clock on the wall."""

    folder: Path
    history: History
    max_epochs: int
    owner: str | None
    quiet: float

    @property
    def state(self) -> State:
        if self.owner is not None:
            return "running"
        return "finished" if self.history.finished else "interrupted"

    @property
    def kind(self) -> str:
        study = self.history.study
        return "run" if study.one_run else "sweep" if study.ablation is None else "ablation"

    @property
    def total(self) -> int | None:
        """See `observers.Progress`, which this is."""
        study = self.history.study
        searched = study.trials if study.ablation is None else DesignedSearch(study, self.history).total
        return confirm.total(self.history, searched)

    @property
    def concurrency(self) -> int:
        """As many trials at a time as there are now; who runs it may know of room for more."""
        return max(1, len(self.history.running()))

    @property
    def now(self) -> Snapshot:
        return snapshot(self)

    def plain(self) -> dict[str, Any]:
        """The same as plain data."""
        now, study = self.now, self.history.study
        counts = {words.state(each): self.history.in_state(each) for each in ("complete", "pruned", "failed")}
        running = now.running if self.owner is not None else ()
        return {
            "study": study.study,
            "folder": store.place_of(self.folder),
            "kind": self.kind,
            "state": self.state,
            "owner": self.owner,
            "question": study.question,
            "method": study.method_name,
            "task": study.task_name,
            "trials": {"total": self.total, **counts, "running": len(running)},
            "objective": {"metric": now.metric, "mode": str(study.objective[0].mode)},
            "best": None if now.best is None else self._plain(now.best),
            "confirmed": confirm.confirmed(self.history),
            **self._settings(),
            **self._front(),
            "running": [self._plain(trial) for trial in running],
            "seconds": self.history.active_seconds,
            "seconds_left": now.seconds_left if self.owner is not None else None,
            "seconds_since_last_record": round(self.quiet, 1),
        }

    def _settings(self) -> dict[str, Any]:
        """Of a sweep with several seeds how its settings stand, and how many trials were left out."""
        study, settings = self.history.study, by_setting.states(self.history)
        if not study.seeds:
            return {}
        counts = {words.state(each): settings[each] for each in ("complete", "left", "pruned", "failed", "running")}
        told = {"seeds": list(study.seeds), "total": study.trials, **counts}
        return {"settings": {**told, "trials_spared": by_setting.spared(self.history)}}

    def _front(self) -> dict[str, Any]:
        """Of several objectives the front by the numbers of its trials, and how it grew: see `stats.hypervolume`."""
        history = self.history
        if len(goals := history.study.objective) < 2:
            return {}
        front = [
            {"trial": trial.number, "values": dict(zip((goal.metric for goal in goals), trial.values or ()))}
            | ({"standard_errors": trial.errors} if trial.errors else {})
            for trial in history.front()
        ]
        told = {"rule": pick.plain(history.study.best), "front": front, "knee": history.knee}
        return {**told, "hypervolume": self._volume() if front else None}

    def _volume(self) -> dict[str, Any]:
        """The share of the box after each trial that has moved the front, and the box in the units of the metrics."""
        goals = self.history.study.objective
        points = {number: [-value for value in key] for key, number in self.history.tally.ranked}
        points = dict(sorted(points.items()))
        gained = hypervolume.gained(points)
        reference, ideal = (
            {goal.metric: goal.sign * value for goal, value in zip(goals, corner)} for corner in hypervolume.box(points)
        )
        moved = [{"trial": n, "share": v} for (n, v), b in zip(gained.items(), [0.0, *gained.values()]) if v > b]
        return {"reference": reference, "ideal": ideal, "share": max(gained.values()), "after_trial": moved}

    def _plain(self, trial: Shown) -> dict[str, Any]:
        facts: dict[str, Any] = {"trial": trial.trial, "arm": trial.arm, "seed": trial.seed, "epoch": trial.epoch}
        if self.history.study.seeds:
            first = trial.trial if trial.setting is None else trial.setting
            facts |= {"setting": first, "seeds": trial.over, "standard_error": trial.error}
        return {**facts, "epochs": self.max_epochs, "value": trial.value, "settings": dict(trial.changes)}


def standing(folder: Path) -> Standing:
    """Of the study in a folder; StudyError where there is none, or its ledger cannot be read."""
    history, last = History(), [0.0]

    def take(record: ledger.Record) -> None:
        history.apply(record)
        last[0] = record["time"]

    ledger.fold(folder / ledger.NAME, take)
    there = store.of(folder)
    owner = locks.holder(folder / ledger.LOCK) if there is None else leases.holder(there)
    return Standing(folder, history, _epochs(history), owner, max(0.0, time.time() - last[0]))


def _epochs(history: History) -> int:
    """How many epochs a trial has: by the method as the study has it, else the most that any has done."""
    parts = history.experiment.get("parts", {})
    method = parts.get(f"the method {history.study.method}", {}).get("plain", {})
    told = method.get("schedule", {}).get("epochs")
    return told or max((trial.epoch for trial in history.trials.values()), default=1) or 1


def found(place: str) -> Path:
    """The folder of a study by path, by URI, or by its name under reports/; a copy is brought up to date.

    StudyError where there is none, with the nearest name.
    """
    folder = store.existing(place) if store.is_uri(place) else named(place)
    from dfkd_ray.tune.copies import refresh

    refresh(folder)
    if not (folder / ledger.NAME).is_file():
        what = f"there is no {ledger.NAME} in it" if folder.is_dir() else f"there is no such folder{nearest(place)}"
        raise StudyError(f"{place} holds no study: {what}")
    return folder


def named(place: str) -> Path:
    """A path, or where there is nothing what is under reports/ by that name."""
    return REPORTS / place if not Path(place).exists() and (REPORTS / place).exists() else Path(place)


def nearest(place: str) -> str:
    """The hint of a study that is not there."""
    known = [str(each.relative_to(REPORTS)) for each in studies_in(REPORTS)]
    return did_you_mean(place.removeprefix(f"{REPORTS}/"), known) if known else ""


def studies_in(folder: Path) -> Iterator[Path]:
    """The folders of studies and runs under a folder, in order; what is in the trash is none."""
    for place, inner, files in os.walk(folder):
        if ledger.NAME in files:
            yield Path(place)
            inner.clear()
        else:
            inner[:] = sorted(each for each in inner if each not in (TRASH, folders.TRIALS))
