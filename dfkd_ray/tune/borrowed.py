"""Trials of earlier studies as their tables have them: what a search may learn from, and what it may begin with."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

from dfkd_ray import metrics
from dfkd_ray import study as studies
from dfkd_ray.stats import degenerate
from dfkd_ray.study import Study
from dfkd_ray.study.priors import Prior
from dfkd_ray.study.specs import Gp, Tpe
from dfkd_ray.study.starting import completed, contains, fitted, setting_of
from dfkd_ray.tune.ledger import Record
from dfkd_ray.tune.reuse import same_task
from dfkd_ray.util import tables, words
from dfkd_ray.util.errors import ConfigError, StudyError
from dfkd_ray.util.yamls import Document


@dataclass(frozen=True)
class EarlierTrial:
    """A trial of an earlier study that ended with values. last: its metrics at the latest epoch, and its costs; sound:
    whether it could have won there."""

    number: int
    state: str
    changes: Mapping[str, Any]
    method: Mapping[str, Any]
    fingerprint: str
    values: Sequence[float]
    epoch: int
    rung: int | None
    last: Mapping[str, float]
    sound: bool


@dataclass(frozen=True)
class Earlier:
    """An earlier study: its file, and its trials. task: what its tables say of it."""

    folder: Path
    study: Study
    task: Mapping[str, Any]
    trials: Sequence[EarlierTrial] = field(repr=False)

    @property
    def best(self) -> list[EarlierTrial]:
        """Those that are complete and sound, the best by the first objective first."""
        sign = self.study.objective[0].sign
        complete = [trial for trial in self.trials if trial.state == "complete" and trial.sound]
        return sorted(complete, key=lambda trial: (-sign * trial.values[0], trial.number))


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
    rows = _settings([row for row in table.to_pylist() if _counts(row)])
    return Earlier(folder, study, note.get("task", {}), [_past(study, row, last) for row in rows])


def _counts(row: Mapping[str, Any]) -> bool:
    """Whether a trial ended with values, as the experiment that its study was begun as."""
    ended = row["state"] in ("complete", "pruned") and row["objectives"] and row["method"]
    return bool(ended) and not row.get("changed") and row.get("tuning") is None


def _settings(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of a study with several seeds one row a setting, with the means of its objectives; of others the rows."""
    runs: dict[int, list[dict[str, Any]]] = {}
    for row in rows:
        first = row.get("setting")
        runs.setdefault(row["trial"] if first is None else first, []).append(row)
    return [{**own[0], "objectives": _means([row["objectives"] for row in own])} for own in runs.values()]


def _means(values: Sequence[Sequence[float]]) -> list[float]:
    return [math.fsum(column) / len(column) for column in zip(*values)]


def _past(study: Study, row: Mapping[str, Any], last: Mapping[int, tuple[int, Mapping[str, float]]]) -> EarlierTrial:
    costs = {metrics.TIME: row.get("seconds"), metrics.PEAK_MEMORY: row.get("peak_memory")}
    told = {name: cost for name, cost in costs.items() if cost is not None} | {**last.get(row["trial"], (0, {}))[1]}
    guarded = degenerate.guarded(objective.metric for objective in study.objective)
    return EarlierTrial(
        number=row["trial"],
        state=row["state"],
        changes=json.loads(row["changes"]),
        method=json.loads(row["method"]),
        fingerprint=row["fingerprint"],
        values=row["objectives"],
        epoch=row["epochs"],
        rung=row["rung"],
        last=told,
        sound=not row.get("unmet") and not (guarded and degenerate.reasons(told)),
    )


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


@dataclass(frozen=True)
class Borrowed:
    """What a sweep takes of earlier studies.

    records: of the ledger, one a study, with trials that its sampler learns from: of the same task, teacher, objectives
    and method but for what is searched, so of the same budget too. study: the sweep, with the best of any other as a
    prior where it has none. told: a line each.
    """

    study: Study
    records: Sequence[Record]
    told: Sequence[str]


def borrow(
    study: Study,
    folders: Iterable[Path],
    task: Mapping[str, Any],
    fingerprint: Callable[[Mapping[str, Any]], str],
    known: Iterable[Record] = (),
) -> Borrowed:
    """Of the studies in these folders, but for what is `known` already; StudyError for a folder without any.

    task: what the ledger says of the sweep's own. fingerprint: of its method with some changes.
    """
    there = {(record["folder"], each["trial"]) for record in known for each in record["known"]}
    records: list[Record] = []
    lines: list[str] = []
    for folder in folders:
        earlier = read(folder)
        why, own = _another(study, earlier, task), []
        if why is None:
            alike = [(past, _point(study, past, fingerprint)) for past in earlier.trials if past.sound]
            own = [(past, point) for past, point in alike if point is not None]
            why = None if own else "none of its trials has this method at this length, in this space"
        if why is not None:
            study, line = _believing(study, earlier)
            lines.append(f"{folder}: {why}; {line}")
            continue
        fresh = [_record(study, past, point) for past, point in own if (str(folder), past.number) not in there]
        rest = len(earlier.trials) - len(own)
        left = f"; {rest} others are none of this method, length and space" if rest else ""
        lines.append(f"{folder}: the sampler knows {words.for_terminal(words.count(len(own), 'trial'))} of it{left}")
        if fresh:
            records.append({"kind": "earlier", "time": time.time(), "folder": str(folder), "known": fresh})
    if records and not isinstance(study.sampler, (Tpe, Gp)):
        name = study.sampler.registered_as  # type: ignore[attr-defined]
        lines.append(f"{name} makes nothing of earlier trials: take tpe, or gp")
    return Borrowed(study, records, lines)


def _another(study: Study, earlier: Earlier, task: Mapping[str, Any]) -> str | None:
    """Why an earlier study is of another task, or asks for something else."""
    if not same_task(earlier.task, task):
        return "another task, teacher, evaluation, precision or code"
    return None if earlier.study.objective == study.objective else "other objectives"


def _point(study: Study, past: EarlierTrial, fingerprint: Callable[[Mapping[str, Any]], str]) -> dict[str, Any] | None:
    """The setting of this sweep that an earlier trial was run with; None where it is none."""
    try:
        setting = setting_of(study.search, past.changes, past.method)
        point = completed(study.search, setting, past.method)
        return point if fingerprint(point) == past.fingerprint else None
    except ConfigError:
        return None


def _record(study: Study, past: EarlierTrial, point: Mapping[str, Any]) -> Record:
    bound = ((each, past.last.get(each.metric)) for each in study.constraints)
    excesses = {each.metric: each.excess(value) for each, value in bound if value is not None}
    facts = {"state": past.state, "values": list(past.values), "epoch": past.epoch, "rung": past.rung}
    return {"trial": past.number, "changes": point, **facts, "excesses": excesses}


def _believing(study: Study, earlier: Earlier) -> tuple[Study, str]:
    """The sweep with the best trial of another one as prior of what it searches and believes nothing of yet."""
    if not earlier.best:
        return study, "and no trial of it is complete: nothing of it is taken"
    best = earlier.best[0]
    priors: dict[str, Any] = {}
    for path, value in setting_of(study.search, best.changes, best.method).items():
        if study.search[path].prior is None and contains(study.search[path], value):
            priors[path] = fitted(study.search[path], value)
    if not priors:
        return study, "and its best trial has no value for a path of this one: nothing of it is taken"
    search = {
        path: replace(cast(Any, domain), prior=Prior(priors[path])) if path in priors else domain
        for path, domain in study.search.items()
    }
    told = ", ".join(f"{path} = {words.setting(value)}" for path, value in priors.items())
    return replace(study, search=search), f"its best, trial {best.number}, is a prior of {told}"
