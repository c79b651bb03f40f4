"""How far earlier ablations scattered: the spread that a plan takes where its study states none."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from dfkd_ray import study as studies
from dfkd_ray.stats.effects import Outcomes, Pair
from dfkd_ray.stats.power import spread
from dfkd_ray.study import Study
from dfkd_ray.util import tables
from dfkd_ray.util.errors import DfkdError
from dfkd_ray.util.yamls import Document


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
        found = spread(shared, other.ablation.contrasts(tuple(told.get("chosen", ()))))
        if found:
            return found, folder
    return None


def _outcomes(rows: Iterable[dict[str, object]]) -> Outcomes:
    found: dict[str, dict[Pair, float | None]] = {}
    for row in rows:
        if row["arm"] is not None and row.get("tuning") is None and row["state"] == "complete":
            values = row["objectives"]
            assert isinstance(values, list)
            found.setdefault(str(row["arm"]), {})[int(str(row["seed"])), int(str(row["draw"]))] = values[0]
    return found
