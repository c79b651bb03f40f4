"""Earlier studies as their tables have them: the settings that count, and which of them were best."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dfkd_ray import metrics
from dfkd_ray import study as studies
from dfkd_ray.stats import degenerate
from dfkd_ray.study import Study
from dfkd_ray.util import tables
from dfkd_ray.util.errors import ConfigError, StudyError
from dfkd_ray.util.yamls import Document


@dataclass(frozen=True)
class EarlierTrial:
    """A trial of an earlier study that ended with values; of a study with several seeds a setting, all of its runs.

    state: `left` of a setting that lacks a seed. values: of the objectives, by_seed for each seed; their means, of a
    setting that was left as its sampler was told. last: of each run its metrics at the latest epoch, and its costs.
    sound: whether it could have won there.
    """

    number: int
    state: str
    changes: Mapping[str, Any]
    method: Mapping[str, Any]
    fingerprint: str
    values: Sequence[float]
    by_seed: Mapping[int, Sequence[float]]
    epoch: int
    rung: int | None
    last: Sequence[Mapping[str, float]]
    sound: bool


@dataclass(frozen=True)
class Earlier:
    """An earlier study: its file, and its trials. task: what its tables say of it. confirmed: the trials whose settings
    have a value on fresh seeds, the one that came out first first."""

    folder: Path
    study: Study
    task: Mapping[str, Any]
    confirmed: Sequence[int]
    trials: Sequence[EarlierTrial] = field(repr=False)

    @property
    def best(self) -> list[EarlierTrial]:
        """Those that are complete and sound: what fresh seeds have confirmed, then the best by the first objective."""
        sign, place = self.study.objective[0].sign, {number: at for at, number in enumerate(self.confirmed)}
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.sound]
        return sorted(complete, key=lambda t: (place.get(t.number, len(place)), -sign * t.values[0], t.number))


def read(folder: Path) -> Earlier:
    """The study in a folder; StudyError where there are no tables of one, or of an earlier version."""
    table = tables.read(folder / "trials.arrow")
    note = tables.metadata(table)
    lacking = sorted({"trial", "state", "fingerprint", "method", "epochs", "objectives"} - {*table.schema.names})
    try:
        study = studies.parse(Document(note["study"], file=f"{folder}/trials.arrow"))
    except (KeyError, ConfigError) as error:
        raise StudyError(f"{folder}: its study cannot be read: {error}") from None
    if lacking:
        raise StudyError(f"{folder}: trials.arrow has no {', '.join(lacking)}")
    last = _last_metrics(folder)
    found = [_past(study, runs, last) for runs in _settings(table.to_pylist())]
    earlier = Earlier(folder, study, note.get("task", {}), _confirmed(note), found)
    return replace(earlier, trials=[*_as_told(found, earlier.best)])


def _confirmed(note: Mapping[str, Any]) -> list[int]:
    """None before all fresh trials have ended."""
    told = note.get("confirmed", {})
    return [each["trial"] for each in told["settings"] if each["mean"] is not None] if told.get("complete") else []


def _counts(row: Mapping[str, Any]) -> bool:
    """Whether a trial ended with values, as the experiment that its study was begun as."""
    ended = row["state"] in ("complete", "pruned") and row["objectives"] and row["method"]
    return bool(ended) and not row.get("changed") and row.get("tuning") is None


def _settings(rows: Iterable[Mapping[str, Any]]) -> list[list[Mapping[str, Any]]]:
    """The runs of each setting of the search of which all count, as its own sampler has it: the mean of the rest would
    flatter it. Of a study with one seed a run each."""
    runs: dict[int, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("phase") is None:
            first = row.get("setting")
            runs.setdefault(row["trial"] if first is None else first, []).append(row)
    return [own for own in runs.values() if all(map(_counts, own))]


def _means(values: Iterable[Sequence[float]]) -> list[float]:
    return [math.fsum(column) / len(column) for column in zip(*values)]


def _past(
    study: Study, runs: Sequence[Mapping[str, Any]], last: Mapping[int, tuple[int, Mapping[str, float]]]
) -> EarlierTrial:
    first, told = runs[0], [_costs(row) | {**last.get(row["trial"], (0, {}))[1]} for row in runs]
    by_seed = {row["seed"]: row["objectives"] for row in runs}
    whole = "left" if {*study.seeds} - by_seed.keys() else "complete"
    guarded = degenerate.guarded(objective.metric for objective in study.objective)
    return EarlierTrial(
        number=first["trial"],
        state="pruned" if first["state"] == "pruned" else whole,
        changes=json.loads(first["changes"]),
        method=json.loads(first["method"]),
        fingerprint=first["fingerprint"],
        values=_means(by_seed.values()),
        by_seed=by_seed,
        epoch=first["epochs"],
        rung=first["rung"],
        last=told,
        sound=not any(row.get("unmet") for row in runs) and not (guarded and any(map(degenerate.reasons, told))),
    )


def _as_told(trials: Iterable[EarlierTrial], best: Sequence[EarlierTrial]) -> Iterator[EarlierTrial]:
    """Those that were left as far behind the best as they were, pair by pair, so that neither the seeds that they lack
    nor their luck make them look better; nothing where none is best, for that study was not over."""
    for past in trials:
        if past.state != "left":
            yield past
        elif best:
            pairs = ((own, best[0].by_seed[seed]) for seed, own in past.by_seed.items())
            apart = _means([own - other for own, other in zip(*pair)] for pair in pairs)
            yield replace(past, values=[mean + behind for mean, behind in zip(best[0].values, apart)])


def _costs(row: Mapping[str, Any]) -> dict[str, float]:
    costs = {metrics.TIME: row.get("seconds"), metrics.PEAK_MEMORY: row.get("peak_memory")}
    return {name: cost for name, cost in costs.items() if cost is not None}


def _last_metrics(folder: Path) -> dict[int, tuple[int, dict[str, float]]]:
    """Of each trial its latest epoch, and its metrics there."""
    found: dict[int, tuple[int, dict[str, float]]] = {}
    for batch in tables.batches(folder / "steps.arrow", ("trial", "epoch", "metric", "value")):
        for row in batch.to_pylist():
            if row["epoch"] > found.get(row["trial"], (0, {}))[0]:
                found[row["trial"]] = (row["epoch"], {})
            if row["epoch"] == found[row["trial"]][0]:
                found[row["trial"]][1][row["metric"]] = row["value"]
    return found
