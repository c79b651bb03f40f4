"""Who decides in an ablation: the design. What to run next follows from the history, so nothing else is remembered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from dfkd_ray.study import Study
from dfkd_ray.study.ablation import Ablation
from dfkd_ray.study.arms import Arm
from dfkd_ray.study.paths import Walk
from dfkd_ray.study.specs import Random
from dfkd_ray.study.study import Budget
from dfkd_ray.tune import analysis
from dfkd_ray.tune.history import History
from dfkd_ray.tune.proposal import OneRun, Proposal, Proposer


@dataclass(frozen=True)
class PlannedTrial:
    """One trial of the design: an arm with a seed and a draw; `tuning`: its number in the arm's own search."""

    arm: str
    seed: int
    draw: int = 0
    tuning: int | None = None
    changes: Mapping[str, Any] | None = None  # None: the arm's search proposes them


class DesignedSearch:
    """Proposes the trials of an ablation, seed by seed, so that complete pairs come first."""

    def __init__(self, study: Study, history: History) -> None:
        assert study.ablation is not None
        self.study, self.history, self.ablation = study, history, study.ablation
        self._asked: set[tuple[str | None, int, int, int | None]] = set()  # of all trials but the latest
        self._counted = 0  # trials in it
        self._seeds: tuple[int, tuple[int, ...]] = (-1, ())  # trials that had ended, and the seeds in force by then

    @property
    def total(self) -> int | None:
        """How many trials are wanted by now; of a path, how many there will be at most."""
        if isinstance(self.ablation.design, Walk):
            return self.ablation.most_trials
        seeds = len(self._seeds_in_force()) * self.ablation.points
        tuned = 0 if self.ablation.tune is None else self.ablation.tune.trials
        return len(self._run) * (seeds + tuned)

    @property
    def unseen(self) -> tuple[Arm, ...]:
        """All arms that a path wants by now, where some were not resolved before; none of other designs."""
        wanted = analysis.walked(self.history)[1] if isinstance(self.ablation.design, Walk) else ()
        return wanted if any(arm.name not in self.history.resolved for arm in wanted) else ()

    def propose(self) -> Proposal | None:
        """The first place that is wanted and was never asked for; None while there is none (ask again after an end)."""
        number = len(self.history.trials)
        for trial in map(self.history.trials.__getitem__, range(self._counted, number)):
            self._asked.add((trial.arm, trial.seed, trial.draw, trial.tuning))
        self._counted = number
        place = next(self._wanted(), None)
        return None if place is None else self._proposal(place, number)

    def rebuild(self, history: History) -> None:
        """Nothing: the history is all there is."""

    def tell(self, *told: Any) -> None:
        """Nothing: the history knows."""

    def _proposal(self, place: PlannedTrial, number: int) -> Proposal:
        attrs: Mapping[str, Any] = {}
        changes, proposed_by = place.changes, None
        if changes is None:
            proposed = self._search(place.arm).propose()
            assert proposed is not None, "a range never runs out"
            attrs, changes = proposed.attrs, {**self._changes(place.arm), **proposed.changes}
            proposed_by = proposed.proposed_by
        return Proposal(number, changes, attrs, {}, place.seed, place.arm, place.draw, place.tuning, proposed_by)

    def _seeds_in_force(self) -> tuple[int, ...]:
        """Found anew when a trial has ended."""
        ended = len(self.history.trials) - self.history.in_state("running")
        if self._seeds[0] != ended:
            self._seeds = (ended, analysis.seeds_in_force(self.history))
        return self._seeds[1]

    def _wanted(self) -> Iterator[PlannedTrial]:
        """The places that were never asked for, in the order of the design."""
        if isinstance(self.ablation.design, Walk):
            _, wanted = analysis.walked(self.history)
            yield from self._crossed(self._distinct(wanted), self.ablation.seeds.listed[: self.ablation.seeds.start])
        elif self.ablation.tune is None:
            yield from self._crossed(self._run, self._seeds_in_force())
        else:
            yield from self._tuned(self.ablation)

    def _crossed(self, run: tuple[Arm, ...], seeds: tuple[int, ...]) -> Iterator[PlannedTrial]:
        for seed in seeds:
            for draw, point in enumerate(self._draws):
                for arm in run:
                    if (arm.name, seed, draw, None) not in self._asked:
                        yield PlannedTrial(arm.name, seed, draw, None, {**arm.changes, **point})

    def _tuned(self, ablation: Ablation) -> Iterator[PlannedTrial]:
        """All searches first, side by side; an arm whose search has ended is run at its best setting."""
        assert ablation.tune is not None
        for number in range(ablation.tune.trials):
            for arm in self._run:
                if (arm.name, ablation.tune.seed, 0, number) not in self._asked:
                    yield PlannedTrial(arm.name, ablation.tune.seed, 0, number)
        best = {arm.name: analysis.tuned_changes(self.history, arm.name) for arm in self._run}
        for seed in self._seeds_in_force():
            for arm in self._run:
                if (changes := best[arm.name]) is not None and (arm.name, seed, 0, None) not in self._asked:
                    yield PlannedTrial(arm.name, seed, 0, None, changes)

    def _search(self, arm: str) -> Proposer:
        """The arm's own search, as far as it has come."""
        from dfkd_ray.tune.search import Search

        searched = self.study.search
        own = [
            replace(trial, number=i, changes={path: trial.changes[path] for path in searched if path in trial.changes})
            for i, trial in enumerate(analysis.tuning(self.history, arm))
        ]
        alone = History()
        alone.trials = {trial.number: trial for trial in own}
        search = Search(self._sweep, repeating=True)  # an arm is tuned with as many trials as the file says
        search.rebuild(alone)
        return search

    def _changes(self, arm: str) -> Mapping[str, Any]:
        return next(each.changes for each in self.ablation.arms if each.name == arm)

    @cached_property
    def _run(self) -> tuple[Arm, ...]:
        """The arms that are run."""
        return self._distinct(self.ablation.arms)

    def _distinct(self, wanted: tuple[Arm, ...]) -> tuple[Arm, ...]:
        """One of those that resolve to the same method."""
        run_as = analysis.run_as(self.history, wanted)
        return tuple(arm for arm in wanted if run_as[arm.name] == arm.name)

    @cached_property
    def _sweep(self) -> Study:
        """The study's `search` by itself, for as many trials as an arm is tuned with."""
        trials = 1 if self.ablation.tune is None else self.ablation.tune.trials
        return replace(self.study, ablation=None, published="", budget=Budget(trials=trials))

    @cached_property
    def _draws(self) -> list[Mapping[str, Any]]:
        """The points of `search` that all arms share, at random from the sampler's seed; one empty one without it."""
        if not self.study.search:
            return [{}]
        from dfkd_ray.tune.search import Search

        search = Search(replace(self._sweep, sampler=Random(seed=self.study.sampler.seed)), repeating=True)
        found = [search.propose() for _ in range(self.ablation.points)]
        return [proposal.changes for proposal in found if proposal is not None]


def proposer(study: Study, history: History) -> Proposer:
    """Who decides what is run: a design, nobody where nothing is searched, else a sampler."""
    if study.ablation is not None:
        return DesignedSearch(study, history)
    if not study.search:
        return OneRun()
    from dfkd_ray.tune.search import Search

    return Search(study)
