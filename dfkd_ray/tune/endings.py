"""How a trial ends: complete, failed, or stopped early. Pure: what the history says decides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from dfkd_ray import metrics
from dfkd_ray.study import Study
from dfkd_ray.tune.history import History
from dfkd_ray.tune.ledger import Record
from dfkd_ray.tune.stoppers import decide
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util.errors import GivenUp
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.words import the_first

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True)
class Ending:
    """How a trial ended. `values`: what the sampler is told; `rung`: the epoch at which the stopper stopped it."""

    state: State
    reason: str | None = None
    rung: int | None = None
    values: list[float] | None = None
    final: Mapping[str, float] = field(default_factory=dict)


def ending_of(trial: Trial, history: History, max_epochs: int) -> Ending | None:
    """After the latest row of a trial: how it ends, or None where it goes on."""
    last, study = trial.last, history.study
    assert last is not None
    return _failure(study, last) or _completion(study, trial, last) or _stop(history, trial, last, max_epochs)


def given_up(history: History, latest: Trial) -> GivenUp | None:
    """That all trials fail alike, the latest among them: a mistake of all should not burn the whole budget."""
    limit, alike = history.study.budget.give_up_after, history.tally.failing_alike
    if not limit or alike < limit:
        return None
    failed = "has failed" if alike == 1 else "have all failed alike"
    stopped = f"so the study was stopped (budget.give_up_after: {limit})"
    return GivenUp(f"{the_first(alike, 'trial')} {failed}, {stopped}:\n{latest.reason}")


def _failure(study: Study, last: Record) -> Ending | None:
    goals = [each.metric for each in study.objective if each.metric not in metrics.COSTS]
    bounded = [each.metric for each in study.constraints if each.metric not in metrics.COSTS]
    for name in (*goals, *bounded):
        if name not in last["metrics"]:
            hint = did_you_mean(name, last["metrics"])
            return Ending("failed", f"the trial reports no {name!r}{hint}")
    for name in bounded:
        if not math.isfinite(last["metrics"][name]):
            return Ending(
                "failed", f"{name} is {last['metrics'][name]}, and has a constraint, at epoch {last['epoch']}"
            )
    for name in goals:
        if last["last"] and not math.isfinite(last["metrics"][name]):
            return Ending("failed", f"{name} is {last['metrics'][name]} at the last epoch, {last['epoch']}")
    return None


def _completion(study: Study, trial: Trial, last: Record) -> Ending | None:
    if not last["last"]:
        return None
    best = trial.best_epoch(study.objective[0])
    values: list[float] = []
    for objective in study.objective:
        epoch = best if objective.at == "best" and best is not None else trial.epoch
        value = trial.at(objective.metric, epoch)
        if value is None:
            return Ending("failed", f"the trial does not say its {objective.metric}")
        values.append(value)
    return Ending("complete", values=values, final=last["final"])


def _stop(history: History, trial: Trial, last: Record, max_epochs: int) -> Ending | None:
    if history.ranks is None or not trial.leads:
        return None
    study = history.study
    rung = decide(study.stopper, trial.number, history.ranks, max_epochs)
    if rung is None:
        return None
    metric = study.objective[0].metric
    value = last["metrics"][metric]
    if not math.isfinite(value):
        return Ending("failed", f"{metric} is {value} at epoch {rung}")
    name = study.stopper.registered_as  # type: ignore[attr-defined]
    return Ending("pruned", f"stopped by {name} at epoch {rung}", rung, [value])
