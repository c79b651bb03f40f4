"""Who runs: one trial after the other, in this process. No Ray; the same study, the same bits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

from dfkd_ray.tune.accidents import Accident, is_accident, reason
from dfkd_ray.tune.endings import Ending
from dfkd_ray.tune.interrupts import Interrupts
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job, Row, Work

ENDED_EARLY = "the work ended without a last row"


def run(tuner: Tuner, work: Work) -> None:
    """Run the study to its end. Raises Interrupted on Ctrl-C or where no trial can go on, GivenUp if all fail."""
    with Interrupts() as interrupts:
        while (job := tuner.next_job()) is not None:
            tuner.started(job)
            _run(tuner, work, job, interrupts)
            tuner.check()
            interrupts.check()
        tuner.check()
        tuner.finish()


def _run(tuner: Tuner, work: Work, job: Job, interrupts: Interrupts) -> None:
    try:
        with interrupts.at_once(tuner.watchdog.limit):
            rows = work.epochs(job)
    except Exception as error:
        return _ended(tuner, job, error, interrupts)
    with closing(cast(Any, rows)):
        while (row := _next(rows, tuner, job, interrupts)) is not None:
            if tuner.report(job, row) == "stop":
                return None
    return None


def _next(rows: Iterator[Row], tuner: Tuner, job: Job, interrupts: Interrupts) -> Row | None:
    """The next row, or None after recording why there is none."""
    try:
        with interrupts.at_once(tuner.watchdog.limit):
            return next(rows)
    except StopIteration:
        tuner.end(job, Ending("failed", ENDED_EARLY))
    except Exception as error:
        _ended(tuner, job, error, interrupts)
    return None


def _ended(tuner: Tuner, job: Job, error: Exception, interrupts: Interrupts) -> None:
    """A trial has ended by an exception: its own fault, an accident, or what a library has made of an interrupt."""
    interrupts.check()
    if interrupts.hung:
        error = Accident(tuner.watchdog.said)
    if is_accident(error):
        tuner.accident(job, reason(error))
    else:
        tuner.end(job, Ending("failed", reason(error)))
