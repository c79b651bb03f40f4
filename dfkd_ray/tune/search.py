"""Who decides: Optuna, by ask and tell. `sampling.py`, `sight.py`, `importance.py` and the tracker too import it.

The Optuna study lives in memory and is rebuilt from the ledger, so there is one source of truth. Each proposal comes
from a sampler made afresh from (seed of the sampler, number of the trial); what a sampler keeps between trials (the
state of CMA-ES, the place in a low-discrepancy sequence, the generations of NSGA-II) Optuna writes into attributes of
the trial or the study, and these go into the ledger with the proposal. A study that was killed and resumed therefore
proposes what an undisturbed one does.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.trial import TrialState, create_trial

from dfkd_ray.study import Study
from dfkd_ray.study.domains import Domain, Int, Log, Uniform, canonical
from dfkd_ray.study.space import draw
from dfkd_ray.study.specs import Tpe
from dfkd_ray.study.starting import contains
from dfkd_ray.tune import by_setting
from dfkd_ray.tune.endings import State
from dfkd_ray.tune.given_settings import REPEATS, given, untried_of
from dfkd_ray.tune.history import History
from dfkd_ray.tune.proposal import DRAWN, PRIOR, Proposal
from dfkd_ray.tune.sampling import builders, trial_seed, who_proposed
from dfkd_ray.tune.sight import Sight
from dfkd_ray.tune.trials import Trial
from dfkd_ray.tune.window import Window

STATES = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED, "failed": TrialState.FAIL}

LEARNT = (TrialState.COMPLETE, TrialState.PRUNED)


class Search:
    """Proposes changes and is told what became of them; `repeating`: the same ones more than once, too."""

    def __init__(self, study: Study, repeating: bool = False) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = study
        self._storage = Sight(stopped_count=study.sampler.stopped == "ranked" and len(study.objective) == 1)
        self._optuna = optuna.create_study(storage=self._storage, study_name="study", directions=directions(study))
        self._id = self._storage.get_study_id_from_name("study")
        self._count = 0  # trials
        self._learnt = 0  # those that ended with values
        self._believed = 0  # those that were drawn from priors
        self._untried = untried_of(study, repeating)
        self._distributions = {path: distribution(domain) for path, domain in study.search.items()}
        most = study.sampler.seen if isinstance(study.sampler, Tpe) else None
        self._window = Window([objective.sign for objective in study.objective], most)

    @property
    def total(self) -> int | None:
        """How many trials there will be at most, where that is known."""
        return self.study.trials

    def propose(self) -> Proposal | None:
        """The next trial, or None when every setting has been proposed.

        A setting that was run already is not run again, for its bits would be the same: the sampler is asked again, and
        after REPEATS of them chance decides.
        """
        if self._untried is not None and self._untried.none:
            return None
        number, repeats = self._count, 0
        before = dict(self._storage.get_study_system_attrs(self._id))
        while True:
            trial, changes, who = self._ask(number, repeats)
            if self._untried is None or changes in self._untried:
                break
            self._storage.forget(trial._trial_id)
            repeats += 1
        self._taken(changes, who)
        attrs = self._storage.get_trial_system_attrs(self._trial_id(number))
        after = self._storage.get_study_system_attrs(self._id)
        new = {key: value for key, value in after.items() if before.get(key) != value}
        return Proposal(number, changes, dict(attrs), new, proposed_by=who, repeats=repeats)

    def _ask(self, number: int, repeats: int) -> tuple[optuna.Trial, dict[str, Any], str | None]:
        """Optuna's next trial, its setting and who made it."""
        study, by_chance = self.study, repeats >= REPEATS
        seed = trial_seed(study.sampler.seed, number, repeats)
        point, giver = given(study, self._untried, number, self._believed, seed, repeats)
        if point is not None:
            self._optuna.enqueue_trial({path: inner(study.search[path], value) for path, value in point.items()})
        self._storage.unseen = self._window.unseen()
        with quiet():
            name: str = study.sampler.registered_as  # type: ignore[attr-defined]
            chance = optuna.samplers.RandomSampler(seed=seed)
            self._optuna.sampler = chance if by_chance else builders[name](study.sampler, study, seed)
            trial = self._optuna.ask()
            changes = draw(study.search, lambda path, domain: _suggest(trial, path, domain))
        attrs = self._storage.get_trial_system_attrs(trial._trial_id)
        told = self._learnt - len(self._storage.unseen)
        who = who_proposed(study, told, trial.relative_params, attrs)
        return trial, changes, giver or (DRAWN if by_chance and who else who)

    def _taken(self, changes: Mapping[str, Any], who: str | None) -> None:
        self._count += 1
        self._believed += who == PRIOR
        if self._untried is not None:
            self._untried.take(changes)

    def tell(
        self,
        number: int,
        state: State,
        values: Sequence[float] | None,
        intermediate: Mapping[int, float],
        rung: int | None,
        excesses: Mapping[str, float] = MappingProxyType({}),
    ) -> None:
        """How a trial ended: its values if complete; its learning curve and rung if it was stopped; its constraints.

        Of the curve samplers look at the last epoch alone, and only where a trial was stopped.
        """
        trial_id = self._trial_id(number)
        for epoch, value in _last(state, intermediate, self.study).items():
            self._storage.set_trial_intermediate_value(trial_id, epoch, value)
        if rung is not None:
            self._storage.set_trial_user_attr(trial_id, "rung", rung)
        for key, excess in _bounds(state, excesses).items():
            self._storage.set_trial_system_attr(trial_id, key, excess)
        with quiet():
            self._optuna.tell(number, list(values or ()) if state == "complete" else None, STATES[state])
        self._ended(number, state, values, max(intermediate, default=0))

    def rebuild(self, history: History) -> None:
        """Take over what the ledger knows; running trials stay running, to be told later."""
        for key, value in history.study_attrs.items():
            self._storage.set_study_system_attr(self._id, key, value)
        self._learn(history.earlier)
        for trial in (history.trials[number] for number in sorted(history.trials)):
            if not trial.leads:
                continue
            known = by_setting.told(self.study, history, trial)
            trial = replace(trial, state=known.state, values=known.values, rung=known.rung)
            self._optuna.add_trial(self._frozen(trial, known.curve, known.excesses))
            self._taken(trial.changes, trial.proposed_by)
            if trial.state != "running":
                self._ended(self._count - 1, trial.state, trial.values, trial.epoch)

    def _ended(self, number: int, state: str, values: Sequence[float] | None, last: int) -> None:
        self._learnt += STATES[state] in LEARNT
        self._window.ended(number, state, values, last)

    def _learn(self, earlier: Sequence[Mapping[str, Any]]) -> None:
        """Show the sampler trials of earlier studies, which have no numbers here: they count from -1 down."""
        for number, past in enumerate((each for record in earlier for each in record["known"]), 1):
            trial = Trial(-number, past["changes"], 0, state=past["state"], values=past["values"], rung=past["rung"])
            frozen = self._frozen(trial, {past["epoch"]: past["values"][0]}, past["excesses"])
            frozen.number = frozen._trial_id = -number
            self._storage.earlier.append(frozen)
            self._ended(-number, trial.state, trial.values, past["epoch"])

    def _frozen(self, trial: Trial, curve: Mapping[int, float], excess: Mapping[str, float]) -> Any:
        domains = self.study.search
        known = {path: value for path, value in trial.changes.items() if contains(domains.get(path), value)}
        several = len(self.study.objective) > 1
        pruned = trial.state == "pruned" and not several
        return create_trial(
            state=STATES.get(trial.state, TrialState.RUNNING),
            values=trial.values if trial.state == "complete" or pruned else None,
            params={path: inner(domains[path], value) for path, value in known.items()},
            distributions={path: self._distributions[path] for path in known},
            system_attrs={**trial.attrs, **_bounds(trial.state, excess)},
            user_attrs={} if trial.rung is None else {"rung": trial.rung},
            intermediate_values=_last(trial.state, curve, self.study),
        )

    def _trial_id(self, number: int) -> int:
        found: int = self._storage.get_trial_id_from_study_id_trial_number(self._id, number)
        return found


def _bounds(state: str, excesses: Mapping[str, float]) -> dict[str, float]:
    """The constraints as Optuna keeps them with a trial that has ended with values."""
    told = excesses if state in ("complete", "pruned") else {}
    return {f"constraints:{name}": excess for name, excess in told.items()}


def _last(state: str, curve: Mapping[int, float], study: Study) -> dict[int, float]:
    epoch = max(curve, default=None)
    return {} if epoch is None or state != "pruned" or len(study.objective) > 1 else {epoch: curve[epoch]}


def directions(study: Study) -> list[str]:
    return ["maximize" if objective.mode == "max" else "minimize" for objective in study.objective]


def distribution(domain: Domain) -> BaseDistribution:
    if isinstance(domain, Int):
        return IntDistribution(domain.low, domain.high, step=domain.step, log=domain.log)
    if isinstance(domain, (Uniform, Log)):
        step = None if isinstance(domain, Log) else domain.step
        return FloatDistribution(domain.low, domain.high, log=isinstance(domain, Log), step=step)
    return CategoricalDistribution([canonical(value) for value in domain.grid() or ()])


def inner(domain: Domain, value: Any) -> Any:
    """What Optuna knows a value by: a choice by its text, so that it may be a mapping, and 1 is not true."""
    return value if isinstance(domain, (Int, Uniform, Log)) else canonical(value)


def _suggest(trial: optuna.Trial, path: str, domain: Domain) -> Any:
    if isinstance(domain, Int):
        return trial.suggest_int(path, domain.low, domain.high, step=domain.step, log=domain.log)
    if isinstance(domain, Log):
        return trial.suggest_float(path, domain.low, domain.high, log=True)
    if isinstance(domain, Uniform):
        return domain.nearest(trial.suggest_float(path, domain.low, domain.high, step=domain.step))
    values = {canonical(value): value for value in domain.grid() or ()}
    return values[trial.suggest_categorical(path, list(values))]


@contextmanager
def quiet() -> Iterator[None]:
    """Optuna warns of options it calls experimental; each of them is chosen here on purpose."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
