"""A small try of a study without a copy of its file: what the command line sets over it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from dfkd_ray.stats.looks import Told
from dfkd_ray.study.ablation import KEYS
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Document

EPOCHS = "schedule.epochs"
MOST_TIMES = 4  # as many seeds as at the start: three looks


@dataclass(frozen=True)
class Overrides:
    """changes: over what the study fixes. trials, hours: budget of a sweep. seeds: of each arm, or setting of a sweep.
    epochs: of every trial.

    until: seeds are added to those of an ablation until it has told so much, "told" or points. preset: in place of the
    study's. task: likewise, and then it is another study, by the name of both. confirm: how the winner of a sweep is.
    """

    changes: Mapping[str, Any] = field(default_factory=dict)
    trials: int | None = None
    seeds: int | None = None
    epochs: int | None = None
    until: float | Told | None = None
    preset: str | None = None
    task: str | None = None
    confirm: str | Mapping[str, int] | None = None
    hours: float | None = None

    @property
    def fixed(self) -> dict[str, Any]:
        """What is fixed over the study, or the method; ConfigError where its length is given twice."""
        if self.epochs is None:
            return dict(self.changes)
        if EPOCHS in self.changes:
            raise ConfigError.at("--epochs", f"{EPOCHS} is given twice")
        return {EPOCHS: self.epochs, **self.changes}

    def over(self, document: Document) -> Document:
        """The study's file as if it said so; ConfigError for what a study of its kind does not have."""
        raw = document.data
        if not isinstance(raw, Mapping) or self == NO_OVERRIDES:
            return document
        ablation = bool(raw.keys() & {*KEYS} - {"seeds"})
        if ablation and self.trials is not None:
            raise ConfigError.at("--trials", "is for a sweep: an ablation runs arms x seeds, so say --seeds")
        if ablation and self.hours is not None:
            raise ConfigError.at("--hours", "is for a sweep: an ablation runs arms x seeds, so say --seeds")
        if not ablation and self.until is not None:
            raise ConfigError.at("--until", "is for an ablation, whose arms get more seeds")
        if ablation and self.confirm is not None:
            raise ConfigError.at("--confirm", "is for a sweep, which has a winner")
        if self.task is not None and "published" in raw:
            raise ConfigError.at("--task", "a published table is of its own task, by --column and --scale")
        made = dict(raw)
        if self.preset is not None:
            made["preset"] = self.preset
        if self.task is not None and self.task != raw.get("task"):
            made |= {"task": self.task, "study": f"{raw.get('study')}-{_named(self.task)}"}
        if self.confirm is not None:
            made["confirm"] = self.confirm
        budget = {"trials": self.trials, "hours": self.hours}
        if said := {name: most for name, most in budget.items() if most is not None}:
            made["budget"] = {**_mapping(raw.get("budget")), **said}
        if self.seeds is not None:
            made["seeds"] = self.seeds
        if self.until is not None:
            made["seeds"] = {**_start_and_max(made.get("seeds")), "until": self.until}
        if fixed := {**_mapping(raw.get("fixed")), **self.fixed}:
            made["fixed"] = fixed
        if self.epochs is not None and isinstance(raw.get("arms"), Mapping):  # an arm's own length would win
            made["arms"] = {name: _as_long(arm, {EPOCHS: self.epochs}) for name, arm in raw["arms"].items()}
        return replace(document, data=made)


def _start_and_max(seeds: Any) -> Mapping[str, Any]:
    """Of the seeds as a file has them; a number of them is where to start, and four times as many are the most."""
    if isinstance(seeds, list):
        raise ConfigError.at("--until", "adds seeds to a number of them, and the file lists which: say --seeds")
    return {"start": seeds, "max": MOST_TIMES * seeds} if isinstance(seeds, int) else _mapping(seeds)


def _named(task: str) -> str:
    """A task's name, file or folder in the name of a study."""
    return re.sub(r"[^\w-]+", "-", PurePath(task.partition(":")[2] or task).stem)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _as_long(arm: Any, epochs: Mapping[str, int]) -> Any:
    return {**arm, **epochs} if isinstance(arm, Mapping) and EPOCHS in arm else arm


NO_OVERRIDES = Overrides()
