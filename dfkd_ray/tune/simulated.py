"""A study in simulated time: its own sampler, stopper and rules of ending, and a surrogate in place of its trials.

Nothing of these is written again here. `Search` proposes and is told, `ending_of` ends trials by the study's stopper,
and `History` knows the best, as in the tuner; a trial's rows come from `recorded.Surrogate`, as soon as its clock says.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from itertools import product
from random import Random
from typing import Any

from dfkd_ray.study import Budget, Study
from dfkd_ray.study.specs import SamplerSpec, StopperSpec
from dfkd_ray.tune.endings import ending_of
from dfkd_ray.tune.history import History
from dfkd_ray.tune.launch import StudyFacts, first_record
from dfkd_ray.tune.options import NOTHING_SAID
from dfkd_ray.tune.recorded import Recording, Surrogate
from dfkd_ray.tune.search import Search
from dfkd_ray.tune.trials import Trial, barred
from dfkd_ray.util.errors import ConfigError


@dataclass(frozen=True)
class Case:
    """What is compared: who proposes and who stops, on so many slots, with each trial the mean of so many seeds.

    trials: what may be spent, in trials that nobody stops, of one seed each. Who stops trials runs more of them.
    """

    sampler: SamplerSpec
    stopper: StopperSpec
    slots: int = 1
    seeds: int = 1
    trials: int = 1

    @property
    def name(self) -> str:
        """`tpe (startup 4) + asha`, and how many seeds where there are several."""
        several = f", {self.seeds} seeds" if self.seeds > 1 else ""
        return f"{_said(self.sampler)} + {_said(self.stopper)}{several}"

    def of(self, study: Study) -> Study:
        """The study that it is; ConfigError where its parts do not go together."""
        trials = max(1, self.trials // self.seeds)
        alone = replace(study, seeds=(), racing=None)  # what a trial has here stands for the mean of its seeds
        return replace(alone, sampler=self.sampler, stopper=self.stopper, budget=Budget(trials=trials))


@dataclass(frozen=True)
class Moment:
    """A trial has ended. cost: what was spent by then, in trials that nobody stops. clock: seconds since the start.

    found: what the best complete trial comes to without noise; told: what the study believes of it. None: there is no
    complete one.
    """

    cost: float
    clock: float
    ended: int
    stopped: int
    found: float | None
    told: float | None


def grid(
    study: Study,
    samplers: Sequence[SamplerSpec],
    stoppers: Sequence[StopperSpec],
    slots: Sequence[int],
    seeds: Sequence[int],
    trials: Sequence[int],
) -> tuple[list[Case], dict[str, str]]:
    """Every combination that goes together, and of the others why not, by name."""
    cases: list[Case] = []
    refused: dict[str, str] = {}
    for budget, width, sampler, stopper, count in product(trials, slots, samplers, stoppers, seeds):
        case = Case(sampler, stopper, width, count, budget)
        try:
            case.of(study)
            cases.append(case)
        except ConfigError as error:
            refused[case.name] = error.problems[0].message
    return cases, refused


def replay(study: Study, surrogate: Surrogate, case: Case, repetition: int) -> list[Moment]:
    """One study from its start to its end; `repetition` seeds its sampler and the noise of its trials.

    The n-th trials of all cases have the same noise in one repetition, so that cases may be compared in pairs.
    """
    spec: Any = case.sampler
    return list(_Replay(replace(case, sampler=replace(spec, seed=repetition)), study, surrogate, repetition).moments())


class _Replay:
    def __init__(self, case: Case, study: Study, surrogate: Surrogate, repetition: int) -> None:
        self.case, self.study, self.surrogate, self.repetition = case, case.of(study), surrogate, repetition
        self.history = History([first_record(self.study, StudyFacts({}, {}, {}), NOTHING_SAID, 0.0)])
        self.search = Search(self.study)
        self.spent = self.committed = 0.0  # seconds of all slots: until now, and to the end of what runs now
        self.queue: list[tuple[float, int, int, int]] = []  # when, its turn, whose epoch, and which
        self.turn = 0
        self.curves: dict[int, Recording] = {}

    def moments(self) -> Iterator[Moment]:
        self._fill(0.0)
        while self.queue:
            clock, _, number, epoch = heapq.heappop(self.queue)
            self.spent += self.curves[number].seconds[epoch - 1]
            if self._row(number, epoch):
                self.committed -= sum(self.curves[number].seconds[epoch:])
                yield self._moment(clock)
                self._fill(clock)
            else:
                self._wait(clock, number, epoch + 1)

    def _fill(self, clock: float) -> None:
        """Start what the slots and the budget have room for; the last trial is begun if most of it fits."""
        each = self.surrogate.full * self.case.seeds
        room = self.case.trials * self.surrogate.full - each / 2
        while len(self.queue) < self.case.slots and self.committed <= room:
            if (proposal := self.search.propose()) is None:
                return
            facts = {**vars(proposal), "seed": self.study.seed}
            number = facts.pop("number")
            self.history.apply({"kind": "asked", "trial": number, **facts})
            chance = Random(f"{self.repetition}/{number}")
            self.curves[number] = self.surrogate.run(proposal.changes, self.case.seeds, chance)
            self.committed += sum(self.curves[number].seconds)
            self._wait(clock, number, 1)

    def _wait(self, clock: float, number: int, epoch: int) -> None:
        self.turn += 1
        heapq.heappush(self.queue, (clock + self.curves[number].seconds[epoch - 1], self.turn, number, epoch))

    def _row(self, number: int, epoch: int) -> bool:
        """Take an epoch of a trial in; whether it was its last."""
        curve, last = self.curves[number], epoch == self.surrogate.epochs
        metric = self.study.objective[0].metric
        row = {"epoch": epoch, "seconds": sum(curve.seconds[:epoch]), "metrics": {metric: curve.values[epoch - 1]}}
        self.history.apply({"kind": "row", "trial": number, **row, **({"last": True, "final": {}} if last else {})})
        trial = self.history.trials[number]
        ending = ending_of(trial, self.history, self.surrogate.epochs)
        if ending is None:
            return False
        self.history.apply({"kind": "ended", "trial": number, **asdict(ending)})
        told = "failed" if barred(self.study, trial) else ending.state
        self.search.tell(number, told, ending.values, trial.curve(metric), ending.rung)
        return True

    def _moment(self, clock: float) -> Moment:
        states = [self.history.in_state(state) for state in ("complete", "pruned", "failed")]
        best: Trial | None = self.history.best()
        found = None if best is None else self.surrogate.truth(best.changes)[0]
        told = None if best is None or best.values is None else best.values[0]
        return Moment(self.spent / self.surrogate.full, clock, sum(states), states[1], found, told)


def _said(spec: Any) -> str:
    """A sampler or a stopper: its name, and what is not its default."""
    own: Iterable[Any] = (f for f in fields(spec) if f.name != "seed" and getattr(spec, f.name) != f.default)
    told = ", ".join(f"{f.name} {getattr(spec, f.name)}" for f in own)
    return f"{spec.registered_as} ({told})" if told else str(spec.registered_as)
