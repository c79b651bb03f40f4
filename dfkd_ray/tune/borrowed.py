"""What a search takes of earlier studies: trials that it may learn from, and what it may begin with."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

from dfkd_ray.study import Study
from dfkd_ray.study.priors import Prior
from dfkd_ray.study.specs import Gp, Tpe
from dfkd_ray.study.starting import completed, contains, fitted, setting_of
from dfkd_ray.tune.ledger import Record
from dfkd_ray.tune.past_studies import Earlier, EarlierTrial, read
from dfkd_ray.tune.reuse import same_task
from dfkd_ray.util import words
from dfkd_ray.util.errors import ConfigError


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
    """As a sampler is told of its own, see `by_setting.told`."""
    bound = [(each, [run[each.metric] for run in past.last if each.metric in run]) for each in study.constraints]
    excesses = {each.metric: max(map(each.excess, values)) for each, values in bound if values}
    state = "complete" if past.state == "left" else past.state
    facts = {"state": state, "values": list(past.values), "epoch": past.epoch, "rung": past.rung}
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
