"""A study in simulated time is the study that the engine runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from dfkd_ray.study import Study
from dfkd_ray.study.specs import Asha, Gp, Median, NoStopper, SamplerSpec, StopperSpec, Tpe
from dfkd_ray.study.specs import Random as AtRandom
from dfkd_ray.tune import simulated
from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.recorded import Recording, Surrogate
from dfkd_ray.tune.simulated import Case, grid, replay
from dfkd_ray.tune.work import Job, Row
from tests.tune import recording, toys

STUDY = toys.study()


@dataclass(frozen=True)
class Formula:
    """A surrogate that is the formula of a toy, with noise on request; each epoch takes a second."""

    noise: float = 0.0
    epochs: int = recording.EPOCHS
    full: float = float(recording.EPOCHS)
    asked: list[Mapping[str, Any]] = field(default_factory=list)

    def run(self, changes: Mapping[str, Any], seeds: int, chance: Random) -> Recording:
        self.asked.append(changes)
        extra = self.noise * chance.gauss(0, 1)
        return Recording([value + extra for value in recording.curve(changes)], [1.0 * seeds] * self.epochs)

    def truth(self, *settings: Mapping[str, Any]) -> list[float]:
        return [recording.curve(changes)[-1] for changes in settings]


def played(case: Case, surrogate: Formula, repetition: int = 0) -> list[simulated.Moment]:
    return replay(STUDY, cast(Surrogate, surrogate), case, repetition)


@dataclass(frozen=True)
class Work:
    """Real trials that report what the simulated ones do."""

    surrogate: Formula
    repetition: int
    max_epochs: int = recording.EPOCHS

    def fingerprint(self, changes: Mapping[str, Any]) -> str:
        return str(changes)

    def epochs(self, job: Job) -> Iterator[Row]:
        curve = self.surrogate.run(job.changes, 1, Random(f"{self.repetition}/{job.trial}"))
        for epoch, value in enumerate(curve.values, start=1):
            last = epoch == self.max_epochs
            yield Row(epoch, float(epoch), {"val_accuracy": value}, last=last, fingerprint="f", method={"name": "m"})


@pytest.mark.parametrize("stopper", [NoStopper(), Asha(grace=1, reduction=2), Median(trials=2)])
def test_it_is_what_the_engine_does(stopper: StopperSpec, tmp_path: Path) -> None:
    """The same proposals, endings and best trial as of a study that is really run, one trial after another."""
    case, repetition = Case(Tpe(startup=3), stopper, trials=9), 5
    own = Formula(noise=0.05)
    moments = played(case, own, repetition)
    real = Formula(noise=0.05)
    made = Case(Tpe(startup=3, seed=repetition), stopper, trials=len(moments)).of(STUDY)
    toys.start(made, Work(real, repetition), tmp_path)
    history = read_history(tmp_path)
    assert own.asked == real.asked
    ran = [history.trials[number] for number in sorted(history.trials)]
    assert [moment.stopped for moment in moments] == [
        sum(trial.state == "pruned" for trial in ran[: n + 1]) for n in range(len(ran))
    ]
    best = history.best()
    assert best is not None
    assert moments[-1].told == pytest.approx((best.values or [0.0])[0])
    assert moments[-1].found == pytest.approx(recording.curve(best.changes)[-1])
    assert moments[-1].cost == pytest.approx(sum(trial.epoch for trial in ran) / recording.EPOCHS)
    if isinstance(stopper, NoStopper):
        assert len(moments) == 9
    else:
        assert len(moments) > 9, "what was saved by stopping is spent"
        assert moments[-1].cost == pytest.approx(9, abs=0.5)


def test_slots_share_the_clock_and_the_cost_stays() -> None:
    """Six trials of four seconds: one after another, three at a time, or more slots than there are trials."""
    ends = {slots: played(Case(AtRandom(), NoStopper(), slots, 1, 6), Formula())[-1] for slots in (1, 3, 64)}
    assert {slots: moment.clock for slots, moment in ends.items()} == {1: 24.0, 3: 8.0, 64: 4.0}
    assert {moment.cost for moment in ends.values()} == {6.0}
    assert {moment.found for moment in ends.values()} == {ends[1].found}, "of random search the trials are the same"


def test_seeds_are_paid_for() -> None:
    moments = played(Case(AtRandom(), NoStopper(), seeds=3, trials=6), Formula())
    assert [moment.cost for moment in moments] == [3.0, 6.0]


def test_repetitions_differ_and_are_the_same_again() -> None:
    case = Case(Tpe(startup=2), Asha(), trials=6)
    first, again, other = (played(case, Formula(noise=0.1), repetition) for repetition in (0, 0, 1))
    assert first == again
    assert first != other


def test_noise_is_the_same_for_all_cases_of_a_repetition() -> None:
    """Two random searches that differ in their stopper alone propose the same, and value it the same."""
    one, other = Formula(noise=0.1), Formula(noise=0.1)
    moments = played(Case(AtRandom(), NoStopper(), trials=4), one)
    played(Case(AtRandom(), Asha(), trials=4), other)
    assert one.asked == other.asked[:4]
    assert moments[0].told is not None


def test_an_exhausted_space_ends_it() -> None:
    study = toys.study(
        {"x: {uniform: [0, 1]}": "x: {int: [0, 2]}", "extra: {log": "extra: {uniform", "0.1, 10]": "1, 2], step: 1"}
    )
    moments = replay(study, cast(Surrogate, Formula()), Case(AtRandom(), NoStopper(), trials=50), 0)
    assert len(moments) == 3 * (2 + 1)


def test_the_grid_and_what_does_not_go_together() -> None:
    plain = toys.study({"\n  extra: {log: [0.1, 10], when: {kind: [good]}}": ""})
    samplers: list[SamplerSpec] = [Tpe(startup=4), Gp()]
    cases, refused = grid(plain, samplers, [NoStopper(), Asha(grace=2)], [1, 8], [1], [12])
    assert [(case.name, case.slots) for case in cases[:3]] == [
        ("tpe (startup 4) + none", 1),
        ("tpe (startup 4) + asha (grace 2)", 1),
        ("gp + none", 1),
    ]
    assert [case.slots for case in cases] == [1, 1, 1, 8, 8, 8]
    assert list(refused) == ["gp + asha (grace 2)"]
    assert refused["gp + asha (grace 2)"].startswith("gp models values")


def test_a_case_says_its_seeds_and_keeps_the_studys_rule_of_startup() -> None:
    case = Case(Tpe(), NoStopper(), seeds=3, trials=12)
    assert case.name == "tpe + none, 3 seeds"
    made: Study = case.of(STUDY)
    assert (made.budget.trials, made.search) == (4, STUDY.search)
