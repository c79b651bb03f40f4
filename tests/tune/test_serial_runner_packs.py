"""Several trials in step with each other in this process: each is as it would be alone, and an accident is of all."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.study import Resources, Study
from dfkd_ray.tune.history import History
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.packs import ENDED_EARLY
from dfkd_ray.tune.trials import Trial
from dfkd_ray.tune.tuner import Tuner
from dfkd_ray.tune.watchdog import Watchdog
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.errors import ConfigError
from tests.tune import toys

pytestmark = pytest.mark.usefixtures("no_fsync")
ALL = {"sampler: {name: tpe, startup: 3}": "sampler: random"}
WHOLE = ALL | {"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"}


@pytest.fixture(autouse=True)
def steps(monkeypatch: pytest.MonkeyPatch) -> list[list[list[int]]]:
    """The members in each step of each pack of more than one."""
    packs: list[list[list[int]]] = []
    monkeypatch.setattr(toys.Turns, "packs", packs)
    return packs


def study(trials: int, fuse: int = 3, changes: Mapping[str, str] = WHOLE) -> Study:
    return toys.study({**changes, "budget: {trials: 8}": f"budget: {{trials: {trials}}}\nresources: {{fuse: {fuse}}}"})


def trials(folder: Path) -> dict[int, Trial]:
    return History(read_records(folder / NAME)[0]).trials


def ended(folder: Path) -> dict[int, tuple[str, int]]:
    return {number: (trial.state, trial.attempts) for number, trial in trials(folder).items()}


@dataclass(frozen=True)
class Open(toys.Toy):
    """Tells what it does, in order: each row, and when it is closed."""

    events: list[tuple[int, Any]] = field(default_factory=list)

    def epochs(self, job: Job) -> Iterator[Row]:
        try:
            for row in super().epochs(job):
                self.events.append((job.trial, row.epoch))
                yield row
        finally:
            self.events.append((job.trial, "closed"))


def test_each_trial_is_as_it_would_be_alone(tmp_path: Path, steps: list[list[list[int]]]) -> None:
    work = Open()
    toys.start(study(7), work, tmp_path / "fused")
    toys.start(study(7, 1), toys.Toy(), tmp_path / "alone")
    assert steps == [[[0, 1, 2]] * 4, [[3, 4, 5]] * 4], "and the last alone, where nothing is fused"
    fused, alone = trials(tmp_path / "fused"), trials(tmp_path / "alone")
    assert [(t.changes, t.values, t.epoch) for t in fused.values()] == [
        (t.changes, t.values, t.epoch) for t in alone.values()
    ]
    began = [(0, 1), (1, 1), (2, 1), (0, 2), (1, 2), (2, 2)]
    assert work.events[:6] == began, "in step"
    assert sorted(number for number, what in work.events if what == "closed") == list(range(7))
    records = read_records(tmp_path / "fused" / NAME)[0]
    kinds = [(r["kind"], r["trial"]) for r in records if r["kind"] in ("asked", "started")]
    assert kinds[:6] == [(kind, number) for kind in ("asked", "started") for number in range(3)]
    assert History(records).finished


def test_what_is_said_over_the_study_holds(tmp_path: Path, steps: list[list[list[int]]]) -> None:
    toys.start(study(4), toys.Toy(), tmp_path, fuse=4)
    assert steps == [[[0, 1, 2, 3]] * 4]
    made = toys.study({"objective: {metric: val_accuracy}": "objective: {metric: seconds}", **ALL})
    refused = r"^resources\.fuse: fused trials have no seconds of their own to select by: take fuse: 1$"
    with pytest.raises(ConfigError, match=refused):
        toys.start(made, toys.Toy(), tmp_path / "priced", fuse=2)
    assert not (tmp_path / "priced").exists()
    toys.start(made, toys.Toy(), tmp_path / "priced")
    before = (tmp_path / "priced" / NAME).read_bytes()
    with pytest.raises(ConfigError, match=refused):
        toys.resume(tmp_path / "priced", toys.Toy(), fuse=2)
    assert (tmp_path / "priced" / NAME).read_bytes() == before


def test_who_is_stopped_leaves_at_once_and_the_pack_is_not_filled_again(
    tmp_path: Path, steps: list[list[list[int]]]
) -> None:
    work = Open()
    toys.start(study(8, 4, ALL), work, tmp_path)
    found = trials(tmp_path)
    assert {trial.state for trial in found.values()} == {"complete", "pruned"}
    for number, trial in found.items():
        own = [what for which, what in work.events if which == number]
        assert own == [*range(1, trial.epoch + 1), "closed"], "not one epoch more"
    for pack in steps:
        assert all(set(later) < set(before) or later == before for before, later in pairwise(pack))
    assert [pack[0] for pack in steps] == [[0, 1, 2, 3], [4, 5, 6, 7]]


def test_as_many_at_a_time_as_are_fused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    report = Tuner.report
    monkeypatch.setattr(Tuner, "report", lambda self, *a: seen.append(self.concurrency) or report(self, *a))  # type: ignore[func-returns-value]
    toys.start(study(3), toys.Toy(), tmp_path)
    assert set(seen) == {3}


def test_who_fails_ends_alone(tmp_path: Path, steps: list[list[list[int]]]) -> None:
    toys.start(study(3), toys.Toy(raises_at=2, only=(1,)), tmp_path)
    assert ended(tmp_path) == {0: ("complete", 1), 1: ("failed", 1), 2: ("complete", 1)}
    assert (trials(tmp_path)[1].reason or "").startswith("TrialFailed: the loss is not finite at epoch 2\n")
    assert steps == [[[0, 1, 2], [0, 1, 2], [0, 2], [0, 2]]]


def test_rows_that_end_early_are_a_failure_of_their_trial(tmp_path: Path) -> None:
    @dataclass(frozen=True)
    class Short(toys.Toy):
        def epochs(self, job: Job) -> Iterator[Row]:
            yield from replace(self, ends_at=2 * (job.trial == 2)).rows(job)

        def rows(self, job: Job) -> Iterator[Row]:
            return super().epochs(job)

    toys.start(study(3), Short(), tmp_path)
    assert [trial.state for trial in trials(tmp_path).values()] == ["complete", "complete", "failed"]
    assert trials(tmp_path)[2].reason == ENDED_EARLY


def test_an_accident_is_one_of_all_that_are_still_there_and_they_go_on_from_their_checkpoints(
    tmp_path: Path, steps: list[list[list[int]]]
) -> None:
    toys.start(study(3), toys.Toy(full_at=3, only=(1,), times=2), tmp_path / "full")
    assert ended(tmp_path / "full") == dict.fromkeys(range(3), ("complete", 3))
    assert steps == [[[0, 1, 2]] * 3, [[0, 1, 2]]], "in the second nobody has gained an epoch: then each goes alone"
    told = [(r["trial"], r["reason"][:8]) for r in read_records(tmp_path / "full" / NAME)[0] if r["kind"] == "accident"]
    assert told == [(0, "OSError:"), (1, "OSError:"), (2, "OSError:")] * 2
    toys.start(study(3), toys.Toy(), tmp_path / "plain")
    full, plain = trials(tmp_path / "full"), trials(tmp_path / "plain")
    assert [t.curve("sum") for t in full.values()] == [t.curve("sum") for t in plain.values()]


def test_a_trial_that_never_begins_does_not_keep_the_others_from_their_end(tmp_path: Path) -> None:
    with pytest.raises(Interrupted, match="the study cannot go on: OSError: "):
        toys.start(study(4), toys.Toy(full_at=1, only=(1,), times=99), tmp_path)
    assert ended(tmp_path) == {0: ("complete", 2), 1: ("running", 3), 2: ("complete", 2), 3: ("complete", 1)}
    toys.resume(tmp_path, toys.Toy())
    assert ended(tmp_path)[1] == ("complete", 4)


def test_a_hang_is_an_accident_of_its_trial_and_of_those_that_are_still_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfkd_ray.tune.tuner.Watchdog", partial(Watchdog, patience=0.3))
    toys.start(study(3), toys.Toy(hangs_at=2, only=(1,)), tmp_path)
    assert ended(tmp_path) == dict.fromkeys(range(3), ("complete", 2))
    said = [r["reason"] for r in read_records(tmp_path / NAME)[0] if r["kind"] == "accident"]
    assert len(said) == 3
    assert all(each.startswith("no epoch within ") for each in said)


@dataclass(frozen=True)
class Signalled(Open):
    """Gets a signal in the second epoch of trial 1; `swallowed`: and makes something else of it, as libraries do."""

    swallowed: bool = False

    def epochs(self, job: Job) -> Iterator[Row]:
        for row in super().epochs(job):
            if (job.trial, row.epoch) == (1, 2):
                try:
                    signal.raise_signal(signal.SIGINT)
                except BaseException:
                    if self.swallowed:
                        raise RuntimeError("unexpected pos 532686 vs 532656") from None
                    raise
            yield row


@pytest.mark.parametrize("swallowed", [False, True])
def test_an_interrupt_leaves_all_as_they_are_and_closes_them(swallowed: bool, tmp_path: Path) -> None:
    work = Signalled(swallowed=swallowed)
    with pytest.raises(Interrupted):
        toys.start(study(3), work, tmp_path)
    assert ended(tmp_path) == dict.fromkeys(range(3), ("running", 1))
    assert sorted(number for number, what in work.events if what == "closed") == [0, 1, 2]
    toys.resume(tmp_path, toys.Toy())
    assert ended(tmp_path) == dict.fromkeys(range(3), ("complete", 2))


def test_all_that_fail_alike_end_the_study(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="the first 3 trials have all failed alike"):
        toys.start(study(9, 2), toys.Toy(raises_at=1), tmp_path)
    assert len(trials(tmp_path)) == 4


@pytest.mark.parametrize("more", ["seeds: 2", "seeds: 2\nracing: false", "confirm: {top: 2, seeds: 3}"])
def test_later_seeds_and_what_confirms_the_winner_are_fused_too(
    more: str, tmp_path: Path, steps: list[list[list[int]]]
) -> None:
    made = study(4, 3, WHOLE | {"study: toy": f"study: toy\n{more}"})
    toys.start(made, toys.Toy(), tmp_path)
    history = History(read_records(tmp_path / NAME)[0])
    assert history.finished
    assert {trial.state for trial in history.trials.values()} == {"complete"}
    assert len(history.trials) > 4
    assert max(number for pack in steps for number in pack[0]) > 3


def test_the_arms_of_an_ablation_and_its_rounds_are_fused_too(tmp_path: Path) -> None:
    made = toys.study(text=toys.ABLATION)
    work: Any = type("Fused", (toys.Parts,), {"fused": toys.Toy.fused})()
    toys.start(replace(made, resources=Resources(fuse=5)), work, tmp_path / "fused")
    toys.start(made, toys.Parts(), tmp_path / "alone")
    fused, alone = trials(tmp_path / "fused"), trials(tmp_path / "alone")
    assert {(t.arm, t.seed, *(t.values or ())) for t in fused.values()} == {
        (t.arm, t.seed, *(t.values or ())) for t in alone.values()
    }
