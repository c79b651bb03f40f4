"""A sweep with several seeds: its settings, each as one trial, and how far its seeds scatter.

A setting is called by the number of the trial of its first seed, as `setting` in `trials.arrow` has it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from dfkd_ray import metrics
from dfkd_ray.report.steps import CurveTable
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.stats import degenerate, paired

LEVEL = 0.95  # nobody looks at the interval: of a few seeds the standard error is told


def settings(trials: Sequence[TrialRow], seeds: int) -> tuple[TrialRow, ...]:
    """The settings among these trials, as one trial each, where each has so many seeds at most.

    Objectives and what was measured at the end are means over the seeds that are there, time is their sum. `complete`
    where all seeds are; where later ones were left out it is `pruned`, as where the stopper stopped the first; failed
    where any has.
    """
    runs: dict[int, list[TrialRow]] = {}
    for trial in trials:
        runs.setdefault(trial.setting, []).append(trial)
    return tuple(_whole(own, seeds) for own in runs.values())


def _whole(runs: Sequence[TrialRow], seeds: int) -> TrialRow:
    first, ended, state = runs[0], [trial for trial in runs if trial.complete], _state(runs, seeds)
    counted = [] if state == "failed" else ended or runs[:1]
    found = [_mean([trial.values[i] for trial in counted]) for i in range(len(first.values))]
    row = {
        **first.row,
        "seconds": _sum([trial.row["seconds"] for trial in runs]),
        "final": [*_finals(ended).items()],
        "unmet": next((trial.outside for trial in runs if trial.outside), None),
        "attempts": max(trial.row["attempts"] or 1 for trial in runs),
    }
    return replace(
        first,
        state=state,
        values=tuple(mean.mean for mean in found),
        errors=tuple(mean.error for mean in found),
        runs=tuple(trial.number for trial in runs),
        row=row,
    )


def _state(runs: Sequence[TrialRow], seeds: int) -> str:
    states = {trial.state for trial in runs}
    for state in ("failed", "running", "pruned"):
        if state in states:
            return state
    return "complete" if len(runs) == seeds else "pruned"


def _mean(values: Sequence[float | None]) -> paired.Mean:
    known = [value for value in values if value is not None]
    return paired.mean(known if len(known) == len(values) else [], LEVEL)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) if known else None


def _finals(runs: Sequence[TrialRow]) -> dict[str, float]:
    """Means of what all of them have measured at their end."""
    told = [trial.final for trial in runs]
    shared = [name for name in (told[0] if told else ()) if all(name in each for each in told)]
    return {name: math.fsum(each[name] for each in told) / len(told) for name in shared}


def degenerate_of(
    trials: Iterable[TrialRow], compared: Mapping[int, int | None], curves: Mapping[str, CurveTable]
) -> dict[int, tuple[str, ...]]:
    """Which of these trials are degenerate, or settings of which a trial is, and why. compared: at which epoch, by
    number. curves: of the metrics that tell."""
    found: dict[int, tuple[str, ...]] = {}
    for trial in trials:
        why: dict[str, None] = {}
        for number in trial.runs or (trial.number,):
            values = {name: curve.at(number, compared[number]) for name, curve in curves.items()}
            why |= dict.fromkeys(degenerate.reasons({name: v for name, v in values.items() if v is not None}))
        if why:
            found[trial.number] = tuple(why)
    return found


def evidence(trial: TrialRow) -> str:
    """What stands behind a value that is a mean, in brackets: nothing where it is one run's."""
    return f" (mean of {len(trial.runs)} seeds ± standard error)" if len(trial.runs) > 1 else ""


def value(trial: TrialRow, metric: str, index: int = 0) -> str:
    """An objective with its unit, and with its standard error where it is a mean."""
    return metrics.give_or_take(metric, trial.values[index], trial.errors[index] if trial.errors else None)
