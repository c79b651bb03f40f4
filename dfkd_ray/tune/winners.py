"""Which trials of a study win, as its records come in."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from dfkd_ray.stats import front as pareto
from dfkd_ray.study import Study
from dfkd_ray.study.pick import FIRST
from dfkd_ray.tune.reseeded import Reseeded
from dfkd_ray.tune.seeded import Settings
from dfkd_ray.tune.tally import Tally
from dfkd_ray.tune.trials import CONFIRM, Trial, barred, outside, spoilt

UNKNOWN = -1  # the number of no trial


class Winners:
    """Trials, and which of them win; the part of a history that is asked who has won."""

    def __init__(self) -> None:
        self.trials: dict[int, Trial] = {}
        self.tally = Tally()
        self.settings = Settings()  # of a sweep with several seeds
        self.fresh = Reseeded()  # what the trials that confirm a winner have come to
        self._best: int | None = UNKNOWN  # until somebody asks

    @property
    def study(self) -> Study:
        raise NotImplementedError

    def runs(self, number: int) -> list[Trial]:
        """The trials of a setting, seed by seed; of a sweep with one seed the trial alone."""
        setting = self.settings.all.get(number)
        return [self.trials[each] for each in ([number] if setting is None else setting.runs)]

    def whole(self, number: int) -> Trial:
        """A trial; of a sweep with several seeds its setting as one: its objectives and final metrics are means over
        its seeds, and its curves those of the first seed."""
        trial, setting = self.trials[number], self.settings.all.get(number)
        if setting is None:
            return trial
        finals = [each.final for each in self.runs(number) if each.final]
        shared = [name for name in (finals[0] if finals else ()) if all(name in each for each in finals)]
        final = {name: math.fsum(each[name] for each in finals) / len(finals) for name in shared}
        made = replace(trial, state=setting.state, reason=setting.reason, over=len(setting.runs), final=final)
        made.values, made.errors = setting.values, setting.errors
        return made

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
            return None if number is None else self.whole(number)
        if self._best == UNKNOWN:
            self._best = self.tally.best if self.study.best == FIRST else self.pick(self.tally.front)
        return None if self._best is None else self.whole(self._best)

    def pick(self, front: pareto.Points) -> int | None:
        """The trial of a front that is taken where one is asked for."""
        return pareto.pick(front, self.study.best.rule, self.study.best.floors(self.study.objective))

    def front(self) -> list[Trial]:
        """The best complete trials: one for one objective, for several all that none dominates."""
        if len(self.study.objective) == 1:
            best = self.best()
            return [] if best is None else [best]
        return [self.whole(number) for number in sorted(self.tally.front)]

    @property
    def knee(self) -> int | None:
        """The trial that is the knee of the front, see `stats.front.knee`."""
        return pareto.knee(self.tally.front)

    def compete(self, trial: Trial) -> None:
        """A trial of the search has ended, or its setting as a whole: is it the best, or on the front?"""
        for number, points in self.points([trial]).items():
            if not any(barred(self.study, each) or outside(self.study, each) for each in self.runs(number)):
                self.tally.completed(number, points)
                self._best = UNKNOWN

    def confirm(self, trial: Trial) -> None:
        """A trial with a fresh seed has ended: what it says of its setting, where nothing keeps it from counting."""
        sound = trial.state == "complete" and spoilt(self.study, trial) is None
        value = trial.values[0] if sound and trial.values else None
        self.fresh.ended(str(trial.arm), trial.seed, value, self.study.objective[0].mode or "max")

    def judge_again(self, trials: Iterable[Trial]) -> None:
        """By other rules, of these, which are all that the sampler has proposed; and what fresh seeds say of them."""
        self.tally.best, self.tally.front, self._best = None, {}, UNKNOWN
        self.tally.ranked.clear()
        for trial in trials:
            self.compete(self.whole(trial.number))
        for trial in self.trials.values():
            if trial.phase == CONFIRM and trial.state != "running":
                self.confirm(trial)

    def reconsider(self) -> None:
        """By other constraints: settings that were left go on, unless something still keeps them from winning. Those
        behind another one too, which may be outside now: the race is for what may win."""
        for number, setting in self.settings.all.items():
            if setting.state == "left" and not any(spoilt(self.study, each) for each in self.runs(number)):
                self.settings.reopened(number, None)
