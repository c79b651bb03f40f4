"""How far earlier trials scattered: arms of ablations, and the seeds of one setting. A plan goes by it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dfkd_ray import study as studies
from dfkd_ray.stats.effects import Outcomes, Pair
from dfkd_ray.stats.power import spread
from dfkd_ray.study import Study
from dfkd_ray.tune.standing import found
from dfkd_ray.util import tables
from dfkd_ray.util.errors import DfkdError
from dfkd_ray.util.yamls import Document


def beside(own: Path, named: Sequence[Path] = ()) -> list[Path]:
    """The folders of earlier studies: those that are named, else a study's own and all beside it; StudyError where what
    is named is none."""
    if named:
        return [found(str(place)) for place in named]
    return [own, *sorted(path.parent for path in own.parent.glob("*/trials.arrow") if path.parent != own)]


def deviation(study: Study, folders: Iterable[Path]) -> tuple[float, Path] | None:
    """(standard deviation of a paired difference of two arms in units of the first objective, whose), or None.

    Of the first folder that holds an ablation of the same method, task and objective, with two pairs or more.
    """
    for folder in folders:
        try:
            trials = tables.read(folder / "trials.arrow")
            note = tables.metadata(trials)
            other = studies.parse(Document(note["study"]))
        except (DfkdError, KeyError):
            continue
        same = (other.method, other.task, other.objective[0]) == (study.method, study.task, study.objective[0])
        if other.ablation is None or not same:
            continue
        told = note.get("ablation", {})
        run_as = {arm["name"]: arm["runs_as"] or arm["name"] for arm in told.get("arms", ())}
        run = _outcomes(trials.to_pylist())
        shared = {name: run.get(other, {}) for name, other in run_as.items()}
        measured = spread(shared, other.ablation.contrasts(tuple(told.get("chosen", ()))))
        if measured:
            return measured, folder
    return None


@dataclass(frozen=True)
class Scatter:
    """How far the seeds of one setting scatter: a standard deviation in units of the metric, pooled over settings.

    trials, settings: that it was measured with. folders: of the studies that they are of.
    """

    deviation: float
    trials: int
    settings: int
    folders: tuple[Path, ...]


def noise(study: Study, folders: Iterable[Path]) -> Scatter | None:
    """Of complete trials of the same method, task and first objective that differ in nothing but the seed, in whichever
    of these studies; None where no setting was run with two seeds."""
    known: dict[str, dict[int, float]] = {}
    told: dict[str, set[Path]] = {}
    for folder in folders:
        for row in _alike(study, folder):
            known.setdefault(row["fingerprint"], {}).setdefault(row["seed"], row["objectives"][0])
            told.setdefault(row["fingerprint"], set()).add(folder)
    groups = {name: [*seeds.values()] for name, seeds in known.items() if len(seeds) > 1}
    if not groups:
        return None
    trials = sum(map(len, groups.values()))
    residuals = [value - math.fsum(own) / len(own) for own in groups.values() for value in own]
    deviation = math.hypot(*residuals) / math.sqrt(trials - len(groups))
    return Scatter(deviation, trials, len(groups), tuple(sorted(set().union(*(told[name] for name in groups)))))


def _alike(study: Study, folder: Path) -> Iterator[dict[str, Any]]:
    """The complete trials in a folder of the same method, task and first objective, as they were asked for."""
    try:
        trials = tables.read(folder / "trials.arrow")
        other = studies.parse(Document(tables.metadata(trials)["study"]))
    except (DfkdError, KeyError):
        return
    if (other.method, other.task, other.objective[0]) != (study.method, study.task, study.objective[0]):
        return
    for row in trials.to_pylist():
        sound = row["state"] == "complete" and row["objectives"] and math.isfinite(row["objectives"][0])
        if sound and row["fingerprint"] and not row.get("changed"):
            yield row


def _outcomes(rows: Iterable[dict[str, object]]) -> Outcomes:
    found: dict[str, dict[Pair, float | None]] = {}
    for row in rows:
        if row["arm"] is not None and row.get("tuning") is None and row["state"] == "complete":
            values = row["objectives"]
            assert isinstance(values, list)
            found.setdefault(str(row["arm"]), {})[int(str(row["seed"])), int(str(row["draw"]))] = values[0]
    return found
