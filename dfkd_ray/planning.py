"""What a study will run and cost, in words."""

from __future__ import annotations

import os
from collections.abc import Iterator

from dfkd_ray.method import Schedule
from dfkd_ray.probe import Cost
from dfkd_ray.study import Study, plain
from dfkd_ray.study.specs import Asha


def describe(study: Study, schedule: Schedule, cost: Cost, concurrency: int | None) -> Iterator[str]:
    """Lines for the terminal: trials, steps, seconds a trial, hours in all; no stopper is counted on but named."""
    at_once = concurrency or max(1, int((os.cpu_count() or 1) / study.resources.cpu))
    seconds = cost.trial(schedule)
    steps = schedule.epochs * schedule.rounds
    written = plain(study)
    names = f"sampler {written['sampler']['name']}, stopper {written['stopper']['name']}"
    yield f"{study.study}: {study.question}" if study.question else study.study
    yield f"method {study.method}, task {study.task}, {names}"
    width = max(map(len, written["search"]))
    for path, domain in written["search"].items():
        yield f"  {path:<{width}}  {', '.join(f'{key} {value}' for key, value in domain.items())}"
    yield (
        f"a trial: {schedule.epochs} epochs x {schedule.rounds} rounds, {steps * schedule.source_steps} source steps "
        f"and {steps * schedule.student_steps} student steps of {schedule.batch} images"
    )
    yield (
        f"measured here: {cost.source_step:.3f} s a source step, {cost.student_step:.3f} s a student step, "
        f"{cost.evaluation:.2f} s an evaluation: {_time(seconds)} a trial"
    )
    trials, limit = study.trials, study.budget.hours
    if limit is not None:
        fit = max(1, int(limit * 3600 / seconds * at_once))
        yield f"budget: no trial is started after {limit:g} hours; about {fit} fit, {at_once} at a time"
    if trials is None:
        return
    total = trials * seconds
    at_once = min(at_once, trials)
    shares = {"CPU": study.resources.cpu, "GPU": study.resources.gpu}
    hours = ", ".join(f"{_time(total * share)} of {what}" for what, share in shares.items() if share)
    yield f"{trials} trials, {at_once} at a time: at most {hours}, {_time(total / at_once)} on the clock"
    if isinstance(study.stopper, Asha):
        spared = _time(total * _asha_share(study.stopper, schedule.epochs) / at_once)
        yield f"if asha keeps 1 in {study.stopper.reduction} at each rung: about {spared} on the clock"


def _asha_share(stopper: Asha, epochs: int) -> float:
    """The share of all epochs that is run if exactly 1 / reduction of the trials passes each rung."""
    run, alive, before, rung = 0.0, 1.0, 0, stopper.grace
    while rung < epochs:
        run += alive * (rung - before)
        alive, before, rung = alive / stopper.reduction, rung, rung * stopper.reduction
    return (run + alive * (epochs - before)) / epochs


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
