"""What follows for a study's history where its file was edited while it had trials: see tune/growing.py."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dfkd_ray.stats import degenerate
from dfkd_ray.study import Study
from dfkd_ray.study.specs import Cmaes, NoStopper
from dfkd_ray.tune.ranks import Ranks
from dfkd_ray.tune.stoppers import ranks_for
from dfkd_ray.tune.trials import Trial


def guarded(study: Study) -> bool:
    """Whether degenerate trials of the study are kept from winning."""
    return degenerate.guarded(objective.metric for objective in study.objective)


def compared(metric: str, guard: bool, names: Sequence[str], values: Sequence[float]) -> float | None:
    """By what the stopper compares a trial at an epoch with these metrics, where `metric` is the first objective and
    `guard` whether the study is `guarded`; None where that objective is not among them."""
    if metric not in names:
        return None
    if guard and degenerate.reasons(dict(zip(names, values))):
        return math.nan  # worse than any number: else it would have sound trials stopped
    return values[names.index(metric)]


def ranks_of(study: Study, trials: Iterable[Trial] = ()) -> Ranks | None:
    """What the stopper goes by after these trials; None where nothing is stopped."""
    if isinstance(study.stopper, NoStopper):
        return None
    first = study.objective[0]
    ranks, guard = ranks_for(study.stopper, str(first.mode)), guarded(study)
    for trial in trials:
        for epoch, row in trial.rows.items():
            told = row["metrics"]
            if (value := compared(first.metric, guard, [*told], [*told.values()])) is not None:
                ranks.take(trial.number, epoch, value)
    return ranks


def remembers(was: Study, now: Study) -> bool:
    """Whether what the sampler has noted of its trials still means something to it: its generations, its place in a
    sequence; the state of CMA-ES is of one space alone."""
    return was.sampler == now.sampler and (was.search == now.search or not isinstance(now.sampler, Cmaes))


def with_parts(experiment: Mapping[str, Any], parts: Mapping[str, Any]) -> dict[str, Any]:
    """An experiment with the parts that an edited file names beside, and without those (None) that it names no more."""
    made = {**experiment.get("parts", {}), **parts}
    return {**experiment, "parts": {what: part for what, part in made.items() if part is not None}}


def moved(trials: Mapping[int, Trial], defaults: Iterable[tuple[Mapping[str, Any], Iterable[int]]]) -> list[Trial]:
    """The trials that a sampler has proposed, once those named have these values at paths that they did not search."""
    for values, numbers in defaults:
        for trial in (trials[number] for number in numbers if number in trials):
            trial.changes = {**trial.changes, **values}
    return [trial for trial in trials.values() if trial.leads]
