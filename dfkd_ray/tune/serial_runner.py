"""Who runs: one trial after the other, in this process. No Ray; the same study, the same bits."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import closing
from typing import Any, cast

from dfkd_ray.tune.endings import Ending
from dfkd_ray.tune.interrupts import Interrupts
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job, Row, Work


def run(tuner: Tuner, work: Work) -> None:
    """Run the study to its end. Raises Interrupted on Ctrl-C, StudyError if the study is given up."""
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
        with interrupts.at_once():
            rows = work.epochs(job)
    except Exception as error:
        return tuner.end(job, Ending("failed", failure_reason(error)))
    with closing(cast(Any, rows)):
        while (row := _next(rows, tuner, job, interrupts)) is not None:
            if tuner.report(job, row) == "stop":
                return None
    return None


def _next(rows: Iterator[Row], tuner: Tuner, job: Job, interrupts: Interrupts) -> Row | None:
    """The next row, or None after recording why there is none."""
    try:
        with interrupts.at_once():
            return next(rows)
    except StopIteration:
        reason = ENDED_EARLY
    except Exception as error:
        reason = failure_reason(error)
    tuner.end(job, Ending("failed", reason))
    return None


ENDED_EARLY = "the work ended without a last row"


def failure_reason(error: BaseException) -> str:
    """An exception as a trial's reason: type and message, then where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f"\n{frames[-1].filename}:{frames[-1].lineno} in {frames[-1].name}: {frames[-1].line}" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
