"""One trial after the other in this process: what is reported, how a trial ends, and that nothing stays open."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pytest

from dfkd_ray.tune.history import History
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.packs import ENDED_EARLY
from dfkd_ray.tune.watchdog import Watchdog
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import tables
from tests.tune import toys

pytestmark = pytest.mark.usefixtures("no_fsync")


@dataclass(frozen=True)
class Open(toys.Toy):
    """Tells when its rows are closed."""

    closed: list[int] = field(default_factory=list)

    def epochs(self, job: Job) -> Iterator[Row]:
        try:
            yield from super().epochs(job)
        finally:
            self.closed.append(job.trial)


def test_each_trial_ends_before_the_next_begins_and_is_closed_also_where_it_was_stopped(tmp_path: Path) -> None:
    work = Open()
    toys.start(toys.study(), work, tmp_path)
    records = read_records(tmp_path / NAME)[0]
    order = [(r["kind"], r["trial"]) for r in records if r["kind"] in ("started", "ended")]
    assert order == [(kind, number) for number in range(8) for kind in ("started", "ended")]
    assert work.closed == list(range(8))
    assert History(records).in_state("pruned") > 0


def test_a_work_that_fails_before_its_first_row_is_a_failed_trial(tmp_path: Path) -> None:
    class Refuses(toys.Toy):
        def epochs(self, job: Job) -> Iterator[Row]:
            raise ValueError("no such net")

    with pytest.raises(Exception, match="have all failed alike"):
        toys.start(toys.study(), Refuses(), tmp_path)
    trial = History(read_records(tmp_path / NAME)[0]).trials[0]
    assert trial.state == "failed"
    assert (trial.reason or "").startswith("ValueError: no such net\n")


def test_rows_that_end_early_are_a_failure(tmp_path: Path) -> None:
    toys.start(toys.study({"budget: {trials: 8}": "budget: {trials: 1}"}), toys.Toy(ends_at=2), tmp_path)
    assert History(read_records(tmp_path / NAME)[0]).trials[0].reason == ENDED_EARLY


ONE = {"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none", "budget: {trials: 8}": "budget: {trials: 3}"}


def ended(folder: Path) -> dict[int, tuple[str, int]]:
    trials = History(read_records(folder / NAME)[0]).trials
    return {number: (trial.state, trial.attempts) for number, trial in trials.items()}


def test_a_full_disk_that_has_room_again_leaves_the_study_as_it_would_have_been(tmp_path: Path) -> None:
    toys.start(toys.study(ONE), toys.Toy(full_at=3, only=(1,), times=2), tmp_path / "full")
    toys.start(toys.study(ONE), toys.Toy(), tmp_path / "plain")
    assert ended(tmp_path / "full") == {0: ("complete", 1), 1: ("complete", 3), 2: ("complete", 1)}
    found = [History(read_records(tmp_path / name / NAME)[0]) for name in ("full", "plain")]
    assert [t.changes for t in found[0].trials.values()] == [t.changes for t in found[1].trials.values()]
    assert [t.values for t in found[0].trials.values()] == [t.values for t in found[1].trials.values()]


def test_a_disk_that_stays_full_stops_the_study_which_goes_on_later(tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as stopped:
        toys.start(toys.study(ONE), toys.Toy(full_at=1, times=100), tmp_path)
    said = str(stopped.value)
    assert said.startswith(
        f"the study cannot go on: OSError: {tmp_path}/trials/0001/checkpoint.json: no space left on "
    )
    assert said.endswith(f"\ninterrupted; resume with: dfkd-ray resume {tmp_path}")
    assert ended(tmp_path) == {0: ("running", 3), 1: ("running", 3)}  # two, to be sure that it is not the one's own
    assert tables.read(tmp_path / "trials.arrow").num_rows == 2
    toys.resume(tmp_path, toys.Toy())
    toys.start(toys.study(ONE), toys.Toy(), tmp_path / "plain")
    found = [History(read_records(folder / NAME)[0]) for folder in (tmp_path, tmp_path / "plain")]
    assert [t.values for t in found[0].trials.values()] == [t.values for t in found[1].trials.values()]
    assert found[0].finished


def test_a_trial_that_hangs_is_ended_and_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfkd_ray.tune.tuner.Watchdog", partial(Watchdog, patience=0.3))
    toys.start(toys.study(ONE), toys.Toy(hangs_at=2, only=(1,)), tmp_path)
    assert ended(tmp_path) == {0: ("complete", 1), 1: ("complete", 2), 2: ("complete", 1)}
    said = [r["reason"] for r in read_records(tmp_path / NAME)[0] if r["kind"] == "accident"]
    assert len(said) == 1
    assert said[0].startswith("no epoch within ")


@dataclass(frozen=True)
class Swallowing(toys.Toy):
    """Makes something else of what is raised in the second epoch of trial 1, once, as libraries do."""

    signal: int = 0
    seen: list[int] = field(default_factory=list)

    def epochs(self, job: Job) -> Iterator[Row]:
        for row in super().epochs(job):
            if (job.trial, row.epoch) == (1, 2) and not self.seen:
                self.seen.append(job.trial)
                try:
                    if self.signal:
                        signal.raise_signal(self.signal)
                    time.sleep(30)
                except BaseException:
                    raise RuntimeError("unexpected pos 532686 vs 532656") from None
            yield row


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_that_a_library_makes_something_else_of_is_no_failure(number: int, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        toys.start(toys.study(ONE), Swallowing(signal=number), tmp_path)
    assert ended(tmp_path) == {0: ("complete", 1), 1: ("running", 1)}


def test_a_hang_that_a_library_makes_something_else_of_is_none_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfkd_ray.tune.tuner.Watchdog", partial(Watchdog, patience=0.3))
    toys.start(toys.study(ONE), Swallowing(), tmp_path)
    assert ended(tmp_path) == {0: ("complete", 1), 1: ("complete", 2), 2: ("complete", 1)}
