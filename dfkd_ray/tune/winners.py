"""Which trials of a study win, as its records come in."""

from __future__ import annotations

from collections.abc import Iterable

from dfkd_ray.stats import front as pareto
from dfkd_ray.study import Study
from dfkd_ray.study.pick import FIRST
from dfkd_ray.tune.reseeded import Reseeded
from dfkd_ray.tune.tally import Tally
from dfkd_ray.tune.trials import Trial, barred, outside

UNKNOWN = -1  # the number of no trial


class Winners:
    """Trials, and which of them win; the part of a history that is asked who has won."""

    def __init__(self) -> None:
        self.trials: dict[int, Trial] = {}
        self.tally = Tally()
        self.fresh = Reseeded()  # what the trials that confirm a winner have come to
        self._best: int | None = UNKNOWN  # until somebody asks

    @property
    def study(self) -> Study:
        raise NotImplementedError

    def points(self, trials: Iterable[Trial]) -> dict[int, list[float]]:
        """Of each of these trials that is complete its objectives, higher is better: see `stats.front`."""
        signs = [objective.sign for objective in self.study.objective]
        complete = [trial for trial in trials if trial.state == "complete" and trial.values]
        return {t.number: [value * sign for value, sign in zip(t.values or (), signs)] for t in complete}

    def best(self) -> Trial | None:
        """The best complete trial that nothing keeps from winning; of several objectives as the study's `best` has
        it, of a search that was confirmed the one whose setting came out first."""
        if self.fresh.first is not None:
            number = self.fresh.arms[self.fresh.first]
            return None if number is None else self.trials[number]
        if self._best == UNKNOWN:
            self._best = self.tally.best if self.study.best == FIRST else self.pick(self.tally.front)
        return None if self._best is None else self.trials[self._best]

    def pick(self, front: pareto.Points) -> int | None:
        """The trial of a front that is taken where one is asked for."""
        return pareto.pick(front, self.study.best.rule, self.study.best.floors(self.study.objective))

    def front(self) -> list[Trial]:
        """The best complete trials: one for one objective, for several all that none dominates."""
        if len(self.study.objective) == 1:
            best = self.best()
            return [] if best is None else [best]
        return [self.trials[number] for number in sorted(self.tally.front)]

    @property
    def knee(self) -> int | None:
        """The trial that is the knee of the front, see `stats.front.knee`."""
        return pareto.knee(self.tally.front)

    def compete(self, trial: Trial) -> None:
        """A trial of the search has ended: is it the best, or on the front?"""
        for number, points in self.points([trial]).items():
            if not barred(self.study, trial) and not outside(self.study, trial):
                self.tally.completed(number, points)
                self._best = UNKNOWN

    def judge_again(self, trials: Iterable[Trial]) -> None:
        """By other rules: these are all that have ended."""
        self.tally.best, self.tally.front, self._best = None, {}, UNKNOWN
        for trial in trials:
            self.compete(trial)
