"""Which trials share a process, and what is made of what they tell."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

from dfkd_ray.tune import packs
from dfkd_ray.tune.accidents import Recovery
from dfkd_ray.tune.endings import Ending
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.errors import TrialFailed


def job(trial: int) -> Job:
    return Job(trial, {}, 0, None)


def row(epoch: int = 1) -> Row:
    return Row(epoch, 1.0, {})


# ---- who runs together


def tuner(waiting: list[int], fresh: int) -> Any:
    """So many accidents in a row has each trial met that waits, and so many others are there to be proposed."""
    recovery = Recovery(2, deque(SimpleNamespace(number=n, stalled=each) for n, each in enumerate(waiting)))  # type: ignore[arg-type]
    rest = iter(range(len(waiting), len(waiting) + fresh))

    def next_job() -> Job | None:
        if recovery.waiting:
            return job(recovery.waiting.popleft().number)
        return next(map(job, rest), None)

    return SimpleNamespace(recovery=recovery, next_job=next_job)


@pytest.mark.parametrize(
    ("waiting", "fresh", "most", "formed"),
    [
        ([], 7, 3, [[0, 1, 2], [3, 4, 5], [6]]),
        ([], 2, 1, [[0], [1]]),
        ([0, 0], 3, 4, [[0, 1, 2, 3], [4]]),
        ([0, 1, 0, 2, 1], 2, 4, [[0], [1], [2], [3], [4], [5, 6]]),
        ([1, 0, 0], 1, 2, [[0], [1, 2], [3]]),
    ],
)
def test_what_met_an_accident_before_its_first_epoch_goes_alone(
    waiting: list[int], fresh: int, most: int, formed: list[list[int]]
) -> None:
    asked = tuner(waiting, fresh)
    found = iter(lambda: [each.trial for each in packs.formed(asked, most)], [])
    assert list(found) == formed


# ---- a pack of one


@dataclass
class One:
    """A work that cannot be fused."""

    error: Exception | None = None
    events: list[str] = field(default_factory=list)

    def epochs(self, job: Job) -> Iterator[Row]:
        self.events.append("opened")
        try:
            yield row(1)
            if self.error:
                raise self.error
            yield row(2)
        finally:
            self.events.append("closed")


def test_of_a_trial_alone_nothing_is_fused() -> None:
    work: Any = One()
    pack = packs.opened(work, [job(5)])
    assert work.events == []
    assert pack.step() == {5: row(1)}
    assert pack.step() == {5: row(2)}
    assert work.events == ["opened"]
    (ended,) = pack.step().values()
    assert isinstance(ended, StopIteration)


@pytest.mark.parametrize("close", [lambda pack: pack.close(), lambda pack: pack.leave(5)])
def test_a_trial_alone_is_closed(close: Any) -> None:
    work: Any = One()
    pack = packs.opened(work, [job(5)])
    pack.step()
    close(pack)
    assert work.events == ["opened", "closed"]


def test_the_error_of_a_trial_alone_is_told_as_that_of_a_member() -> None:
    work: Any = One(TrialFailed("not finite"))
    pack = packs.opened(work, [job(5)])
    pack.step()
    assert pack.step() == {5: work.error}

    class Refuses:
        def epochs(self, job: Job) -> Iterator[Row]:
            raise ValueError("no such net")

    refused: Any = Refuses()
    (error,) = packs.opened(refused, [job(5)]).step().values()
    assert str(error) == "no such net"


# ---- what they tell


def test_a_step_is_rows_and_failures_and_the_accident_of_all() -> None:
    full = OSError("no space left")
    found = {0: row(), 1: StopIteration(), 2: TrialFailed("not finite"), 3: full}
    told, accident = packs.sorted_out(found)
    assert told == {0: row(), 1: "the work ended without a last row", 2: "TrialFailed: not finite"}
    assert accident is full
    assert packs.sorted_out({0: row()}) == ({0: row()}, None)


class Heard:
    """A tuner that stops what is in `stops`."""

    def __init__(self, *stops: int) -> None:
        self.stops, self.told = stops, list[Any]()

    def report(self, job: Job, row: Row) -> str:
        self.told.append((job.trial, row.epoch))
        return "stop" if job.trial in self.stops else "continue"

    def end(self, job: Job, ending: Ending) -> None:
        self.told.append((job.trial, ending))


def members(*trials: int) -> packs.Members:
    return {trial: job(trial) for trial in trials}


def test_who_is_to_stop_while_others_go_on_has_to_leave() -> None:
    asked: Any = Heard(1)
    left = members(0, 1, 2, 3)
    assert packs.hear(asked, left, {0: row(4), 1: row(5), 2: "broken", 7: "of another pack"}) == [1]
    assert asked.told == [(0, 4), (1, 5), (2, Ending("failed", "broken"))]
    assert left == members(0, 3)


def test_with_the_last_one_the_pack_ends_and_nobody_has_to_leave() -> None:
    asked: Any = Heard(0, 1)
    left = members(0, 1, 2)
    assert packs.hear(asked, left, {0: row(), 1: row(), 2: "broken"}) == []
    assert left == {}
