"""Finished trials of earlier studies that another study may take over: the same method, task, teacher and seed.

The fingerprint is of the whole resolved method, its schedule included, so the budget is the same as well. The order of
loss terms is no part of it: it means nothing, but the last bits of a sum of floating-point numbers depend on it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.tune.curves import ROW
from dfkd_ray.tune.ledger import Record
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.words import listed

Key = tuple[str, int]  # fingerprint, seed

NEEDED = {*("trial", "state", "seed", "fingerprint", "method", "epochs", "final", "host", "device", "peak_memory")}


@dataclass(frozen=True)
class Finished:
    """A complete trial of an earlier study: its rows and pictures as a ledger holds them, and where it was run."""

    rows: tuple[Record, ...]
    pictures: Mapping[int, bytes]
    method: Mapping[str, Any]
    fingerprint: str
    origin: str
    parameters: int | None = None  # of the student; None: its table has no such column

    def reports(self, metric: str) -> bool:
        """Whether it has a finite value of a metric at its last epoch, or of a cost."""
        last = self.rows[-1]
        costs = (last["seconds"], last["peak_memory"], self.parameters)
        value = {**last["metrics"], **dict(zip(metrics.COSTS, costs))}.get(metric)
        return value is not None and math.isfinite(value)


def library(folders: Iterable[Path], task: Mapping[str, Any], others: bool = False) -> dict[Key, Finished]:
    """What can be taken over from these studies' tables; StudyError for a folder without any, or of another task,
    unless there may be `others`."""
    found: dict[Key, Finished] = {}
    for folder in folders:
        trials = tables.read(folder / "trials.arrow")
        theirs = tables.metadata(trials).get("task")
        if not same_task(theirs, task):
            if others:
                continue
            raise StudyError(f"{folder}: nothing of it can be reused: {listed([*_others(theirs, task)])}")
        if lacking := sorted(NEEDED - {*trials.schema.names}):
            raise StudyError(f"{folder}: nothing of it can be reused: trials.arrow has no {', '.join(lacking)}")
        curves = _by_trial(folder / "steps.arrow")
        pictures = _by_trial(folder / "images.arrow")
        for row in trials.to_pylist():
            whole = row["state"] == "complete" and row["fingerprint"] and not row.get("changed")
            if whole and row.get("tuning") is None:
                number = row["trial"]
                made = _finished(row, curves.get(number, []), pictures.get(number, []), folder)
                if made.rows and made.rows[-1]["epoch"] == row["epochs"]:  # else it ended between two tables
                    found.setdefault((row["fingerprint"], row["seed"]), made)
    return found


def same_task(theirs: Any, task: Mapping[str, Any]) -> bool:
    """Whether two studies are of one task and one teacher, in one precision and by the same own code, by all that both
    tables say of it."""
    return isinstance(theirs, dict) and {"name", "teacher"} <= theirs.keys() and _same(theirs, task)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return all(_same(one[key], other[key]) for key in one.keys() & other.keys())
    return bool(one == other)


def _others(theirs: Any, task: Mapping[str, Any]) -> Iterator[str]:
    """What of an earlier study is another, in words."""
    said = theirs if isinstance(theirs, dict) else {}
    if said.get("name") != task.get("name"):
        yield f"its task is {said.get('name')!r}"
        return
    differing = {key for key in said.keys() & task.keys() if not _same(said[key], task[key])}
    if "precision" in differing:
        yield f"its precision is {said['precision']}, not {task['precision']}"
    if "code" in differing:
        changed = {name for name, digest in said["code"].items() if task["code"].get(name, digest) != digest}
        yield f"the code of {listed(sorted(changed))} is another"
    if differing - {"precision", "code"} or not differing:
        yield "its teacher or its evaluation is another"


def _by_trial(path: Path) -> dict[int, list[Record]]:
    out: dict[int, list[Record]] = {}
    for row in tables.read(path).to_pylist():
        out.setdefault(row["trial"], []).append(row)
    return out


def _finished(trial: Record, steps: list[Record], pictures: list[Record], folder: Path) -> Finished:
    epochs: dict[int, Record] = {}
    facts = {"host": trial["host"], "device": trial["device"], "peak_memory": trial["peak_memory"]}
    for step in steps:
        blank = {"epoch": step["epoch"], "seconds": step["seconds"], "metrics": {}, "last": False, "final": {}, **facts}
        epochs.setdefault(step["epoch"], blank)["metrics"][step["metric"]] = step["value"]
    rows = [epochs[epoch] for epoch in sorted(epochs)]
    if rows:
        rows[-1] |= {"last": True, "final": dict(trial["final"] or [])}
    assert all(set(row) == set(ROW) for row in rows)
    return Finished(
        rows=tuple(rows),
        pictures={picture["epoch"]: picture["picture"] for picture in pictures},
        method=json.loads(trial["method"]),
        fingerprint=trial["fingerprint"],
        origin=f"{folder}, trial {trial['trial']}",
        parameters=trial.get("parameters"),
    )
