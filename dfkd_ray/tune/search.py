"""Who decides: Optuna, by ask and tell. `sampling.py`, `sight.py`, `importance.py` and the tracker too import it.

The Optuna study lives in memory and is rebuilt from the ledger, so there is one source of truth. Each proposal comes
from a sampler made afresh from (seed of the sampler, number of the trial); what a sampler keeps between trials (the
state of CMA-ES, the place in a low-discrepancy sequence, the generations of NSGA-II) Optuna writes into attributes of
the trial or the study, and these go into the ledger with the proposal. A study that was killed and resumed therefore
proposes what an undisturbed one does.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from dfkd_ray.study import Study
from dfkd_ray.study.domains import Domain, Int, Log, Uniform, canonical
from dfkd_ray.study.space import draw, enumerate_grid
from dfkd_ray.study.specs import Grid, Tpe
from dfkd_ray.tune.endings import State
from dfkd_ray.tune.history import History
from dfkd_ray.tune.proposal import Proposal
from dfkd_ray.tune.sampling import builders, who_proposed
from dfkd_ray.tune.sight import Sight
from dfkd_ray.tune.trials import Trial, barred
from dfkd_ray.tune.window import Window

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}

LEARNT = (TrialState.COMPLETE, TrialState.PRUNED)


class Search:
    """Proposes changes and is told what became of them."""

    def __init__(self, study: Study) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = study
        self._storage = Sight(stopped_count=study.sampler.stopped == "ranked" and len(study.objective) == 1)
        self._optuna = optuna.create_study(storage=self._storage, study_name="study", directions=directions(study))
        self._id = self._storage.get_study_id_from_name("study")
        self._grid = _grid(study) if isinstance(study.sampler, Grid) else None
        self._count = 0  # trials
        self._distributions = {path: distribution(domain) for path, domain in study.search.items()}
        most = study.sampler.seen if isinstance(study.sampler, Tpe) else None
        self._window = Window([objective.sign for objective in study.objective], most)

    @property
    def total(self) -> int | None:
        """How many trials there will be at most, where that is known."""
        return self.study.trials

    def propose(self) -> Proposal | None:
        """The next trial, or None when every point of a grid has been proposed."""
        number = self._count
        before = dict(self._storage.get_study_system_attrs(self._id))
        if self._grid is not None:
            if number >= len(self._grid):
                return None
            point = self._grid[number]
            self._optuna.enqueue_trial({path: inner(self.study.search[path], point[path]) for path in point})
        self._storage.unseen = self._window.unseen()
        told = sum(trial.state in LEARNT for trial in self._storage.get_all_trials(self._id, deepcopy=False))
        with quiet():
            name: str = self.study.sampler.registered_as  # type: ignore[attr-defined]
            self._optuna.sampler = builders[name](self.study.sampler, self.study, number)
            trial = self._optuna.ask()
            changes = draw(self.study.search, lambda path, domain: _suggest(trial, path, domain))
        self._count += 1
        attrs = self._storage.get_trial_system_attrs(self._trial_id(number))
        after = self._storage.get_study_system_attrs(self._id)
        new = {key: value for key, value in after.items() if before.get(key) != value}
        return Proposal(
            number, changes, dict(attrs), new, proposed_by=who_proposed(self.study, told, trial.relative_params, attrs)
        )

    def tell(
        self,
        number: int,
        state: State,
        values: Sequence[float] | None,
        intermediate: Mapping[int, float],
        rung: int | None,
    ) -> None:
        """How a trial ended: its values if complete; its learning curve and rung if it was stopped.

        Of the curve samplers look at the last epoch alone, and only where a trial was stopped.
        """
        trial_id = self._trial_id(number)
        for epoch, value in _last(state, intermediate, self.study).items():
            self._storage.set_trial_intermediate_value(trial_id, epoch, value)
        if rung is not None:
            self._storage.set_trial_user_attr(trial_id, "rung", rung)
        with quiet():
            self._optuna.tell(number, list(values or ()) if state == "complete" else None, STATES[state])
        self._window.ended(number, state, values, max(intermediate, default=0))

    def rebuild(self, history: History) -> None:
        """Take over what the ledger knows; running trials stay running, to be told later."""
        for key, value in history.study_attrs.items():
            self._storage.set_study_system_attr(self._id, key, value)
        for number in sorted(history.trials):
            trial = history.trials[number]
            if trial.state == "complete" and barred(self.study, trial):
                trial = replace(trial, state="failed")  # as it was told
            self._optuna.add_trial(self._frozen(trial))
            if trial.state != "running":
                self._window.ended(number, trial.state, trial.values, trial.epoch)
        self._count += len(history.trials)

    def _frozen(self, trial: Trial) -> Any:
        domains = self.study.search
        several = len(self.study.objective) > 1
        pruned = trial.state == "pruned" and not several
        return create_trial(
            state=STATES.get(trial.state, TrialState.RUNNING),
            values=trial.values if trial.state == "complete" or pruned else None,
            params={path: inner(domains[path], value) for path, value in trial.changes.items()},
            distributions={path: self._distributions[path] for path in trial.changes},
            system_attrs=dict(trial.attrs),
            user_attrs={} if trial.rung is None else {"rung": trial.rung},
            intermediate_values=_last(trial.state, trial.curve(self.study.objective[0].metric), self.study),
        )

    def _trial_id(self, number: int) -> int:
        found: int = self._storage.get_trial_id_from_study_id_trial_number(self._id, number)
        return found


def _last(state: str, curve: Mapping[int, float], study: Study) -> dict[int, float]:
    epoch = max(curve, default=None)
    return {} if epoch is None or state != "pruned" or len(study.objective) > 1 else {epoch: curve[epoch]}


def directions(study: Study) -> list[str]:
    return ["maximize" if objective.mode == "max" else "minimize" for objective in study.objective]


def _grid(study: Study) -> list[dict[str, Any]]:
    points = enumerate_grid(study.search)
    if isinstance(study.sampler, Grid) and study.sampler.shuffle:
        random.Random(study.sampler.seed).shuffle(points)
    return points


def distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Int):
        return IntDistribution(domain.low, domain.high, step=domain.step)
    if isinstance(domain, (Uniform, Log)):
        return FloatDistribution(domain.low, domain.high, log=isinstance(domain, Log))
    return CategoricalDistribution([canonical(value) for value in domain.grid() or ()])


def inner(domain: Domain, value: Any) -> Any:
    """What Optuna knows a value by: a choice by its text, so that it may be a mapping, and 1 is not true."""
    return value if isinstance(domain, (Int, Uniform, Log)) else canonical(value)


def _suggest(trial: optuna.Trial, path: str, domain: Domain) -> Any:
    if isinstance(domain, Int):
        return trial.suggest_int(path, domain.low, domain.high, step=domain.step)
    if isinstance(domain, (Uniform, Log)):
        return trial.suggest_float(path, domain.low, domain.high, log=isinstance(domain, Log))
    values = {canonical(value): value for value in domain.grid() or ()}
    return values[trial.suggest_categorical(path, list(values))]


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna warns of options it calls experimental; each of them is chosen here on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
