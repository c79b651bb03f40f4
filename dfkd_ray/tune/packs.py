"""Trials that share a process: which they are, how they are opened, and how the tuner hears what they tell."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence

from dfkd_ray.tune.accidents import is_accident, reason
from dfkd_ray.tune.endings import Ending
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.work import Job, Pack, Row, Work

ENDED_EARLY = "the work ended without a last row"

Members = dict[int, Job]  # by trial: those of a pack that go on
Told = Mapping[int, Row | str]  # by trial: its row, or why it has failed


def formed(tuner: Tuner, most: int) -> list[Job]:
    """The jobs of a new pack, at most so many; none where there is nothing to run now.

    A trial that an accident has met before it gained an epoch goes alone: so it ends no others, and none ends it.
    """
    jobs: list[Job] = []
    while len(jobs) < most:
        alone = tuner.recovery.next_stalled
        if (jobs and alone) or (job := tuner.next_job()) is None:
            break
        jobs.append(job)
        if alone:
            break
    return jobs


def opened(work: Work, jobs: Sequence[Job]) -> Pack:
    """A pack of these jobs; with one alone nothing is fused."""
    return work.fused(jobs) if len(jobs) > 1 else _Alone(work, jobs[0])


class _Alone:
    """A pack of one."""

    def __init__(self, work: Work, job: Job) -> None:
        self._trial, self._rows = job.trial, _rows(work, job)

    def step(self) -> dict[int, Row | Exception]:
        try:
            return {self._trial: next(self._rows)}
        except Exception as error:
            return {self._trial: error}

    def leave(self, trial: int) -> None:
        self.close()

    def close(self) -> None:
        self._rows.close()


def _rows(work: Work, job: Job) -> Generator[Row]:
    yield from work.epochs(job)


def sorted_out(found: Mapping[int, Row | Exception]) -> tuple[Told, Exception | None]:
    """What the tuner is to hear of the members after a step; and the accident of one, which ends them all."""
    told: dict[int, Row | str] = {}
    accident = None
    for trial, each in found.items():
        if isinstance(each, Row):
            told[trial] = each
        elif isinstance(each, StopIteration):
            told[trial] = ENDED_EARLY
        elif is_accident(each):
            accident = each
        else:
            told[trial] = reason(each)
    return told, accident


def hear(tuner: Tuner, members: Members, told: Told) -> list[int]:
    """Hand on what members tell; those that end are taken out. Returns those that have to leave while others go on."""
    leaving = []
    for trial, said in told.items():
        if trial not in members:
            continue
        if isinstance(said, str):
            tuner.end(members.pop(trial), Ending("failed", said))
        elif tuner.report(members[trial], said) == "stop":
            leaving.append(members.pop(trial).trial)
    return leaving if members else []
