"""Ablations of the toy whose effects are known: run to their end, and looked at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfkd_ray.study import Study
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import tables
from tests.tune import toys

TASK = {"name": "t", "teacher": {"digest": "d"}, "precision": "float32", "code": {"mine": "a"}}
DRAWS = {"seeds: 3": "seeds: 2\nsearch: {x: {uniform: [0, 1]}, y: {choice: [1, 2, 3]}}\ndraws: 2"}
TUNED = {"seeds: 3": "seeds: 3\nsearch: {x: {uniform: [0, 1]}}\ntune: {trials: 6}\nsampler: {name: tpe, startup: 3}"}
PATH = {"leave_one_out": "path"}
TWINS = {"  c: {off: {c: 0}}": "  c: {off: {c: 0}}\n  same: {off: {x: 0.5}}"}  # x is 0.5 anyway


def adaptive(until: float | str, most: int = 8) -> Mapping[str, str]:
    return {"seeds: 3": f"seeds: {{start: 3, max: {most}, until: {until}}}"}


def study(changes: Mapping[str, str] = {}) -> Study:
    return toys.study(changes, toys.ABLATION)


def run(
    folder: Path,
    changes: Mapping[str, str] = {},
    work: toys.Parts | None = None,
    runner: str = "serial",
    **options: Any,
) -> History:
    """The ablation, run to its end."""
    toys.start(study(changes), work or toys.Parts(), folder, task=TASK, runner=runner, **options)
    return history(folder)


def history(folder: Path) -> History:
    return History(read_records(folder / NAME)[0])


def cells(history: History) -> list[tuple[str | None, int, int, int | None]]:
    """(arm, seed, draw, tuning) of all trials, in the order in which they were asked for."""
    return [(trial.arm, trial.seed, trial.draw, trial.tuning) for trial in history.trials.values()]


def effects(folder: Path, metric: str = "val_accuracy") -> dict[str, dict[str, Any]]:
    """The rows of effects.arrow for one metric, by contrast."""
    rows = tables.read(folder / "effects.arrow").to_pylist()
    return {row["contrast"]: row for row in rows if row["metric"] == metric}


def note(folder: Path) -> dict[str, Any]:
    """What the tables say of the design."""
    found: dict[str, Any] = tables.metadata(tables.read(folder / "trials.arrow"))["ablation"]
    return found
