"""What a run says before it starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.words import counted, roughly

if TYPE_CHECKING:
    from dfkd_ray.runs.distillation import Distillation
    from dfkd_ray.study import Study

PROBED = 2_000  # steps: fewer are not worth a probe
LONG = 3600.0  # seconds


def introduction(study: Study, work: Distillation, begun: Path | None, asks: bool) -> Iterator[str]:
    """What is run: method, task, nets, length, teacher, and what there is to judge by.

    begun: the folder that holds the run already. asks: whether its length is to be warned of.
    """
    from dfkd_ray.runs import preparing

    task = work.task
    nets = f"{work.method.teacher.arch or task.teacher.arch} -> {work.method.student.arch or task.student}"
    length = f"{counted(work.method.schedule.epochs, 'epoch')}, seed {study.seed}"
    yield f"{study.method_name} on {task.name}: {nets}, {length}; input normalised by {task.normalised_by}"
    yield f"the teacher is {task.teacher.file or f'{task.teacher.weights}, as shipped'}"
    if preparing.evaluable(work):
        pass
    elif preparing.evaluable(work, "test"):
        yield f"no images of {task.name} to validate on: data-free metrics alone, and test accuracy at the end"
    else:
        yield f"no real images of {task.name} here, so no accuracies (--data); data-free metrics alone"
    if begun is not None:
        yield f"{begun} holds this run already: what is done is not run again"
    elif asks and (said := warning(work)):
        yield said


def warning(work: Distillation) -> str | None:
    """That a run takes over an hour on this machine, by a probe where it has many steps, and what takes less."""
    plan = work.method.schedule
    if plan.source_rounds * plan.source_steps + plan.student_rounds * plan.student_steps < PROBED:
        return None
    seconds = _seconds(work)
    if seconds < LONG:
        return None
    return f"about {_hours(seconds)} on this machine{_shorter(work, seconds)}"


def _seconds(work: Distillation) -> float:
    """Of a run, measured; threads 0: as many as the run will have."""
    from dfkd_ray.runs.probe import probe

    return probe(work, work.options.threads or 0).trial(work.method.schedule)


def _hours(seconds: float) -> str:
    """A probe of a few steps tells no minutes of a day."""
    return f"{seconds / 3600:,.0f} h" if seconds >= 10 * 3600 else roughly(seconds)


def _shorter(work: Distillation, seconds: float) -> str:
    """What the shortest preset would take with what else was asked for; nothing where that does not fit, or is no less.

    work: its `methods` has the method as it was before anything was changed.
    """
    from dfkd_ray.methods import config, presets
    from dfkd_ray.runs import preparing

    preset = presets.names()[-1]
    try:
        (name, own), *_ = work.methods.items()
        method = config.change(preparing.in_preset(own, name, preset, work.task), work.fixed)
        less = _seconds(replace(work, method=method))
    except ConfigError:
        return ""
    return f"; --preset {preset} takes {_hours(less)}, see `ls presets`" if less < seconds else ""
