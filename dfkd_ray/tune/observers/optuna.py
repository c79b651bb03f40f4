"""An Optuna storage: the study with its trials, their parameters, intermediate values and states.

`optuna-dashboard sqlite:///reports/mhad/optuna.db`. The sampler never reads it: its own memory is the ledger. A trial
has the number that it has here, but for one that failed and was run again, which comes once more.
"""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.trial import FrozenTrial, TrialState, create_trial

from dfkd_ray.study import Study
from dfkd_ray.tune.observers.sending import PATIENCE, About, Curve, Point
from dfkd_ray.tune.optuna_study import distributions, searched_in, shown
from dfkd_ray.tune.search import STATES, directions, quiet
from dfkd_ray.tune.trials import Trial, barred

KEY = "key"  # of a trial, as other trackers call it
LEDGER = "ledger"  # by which a study is told from another of its name


class OptunaStorage:
    """The study in the storage, and the ids of its trials by key."""

    def __init__(self, url: str, about: About) -> None:
        assert about.study is not None
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.about, self.own = about, about.study
        self.storage = optuna.storages.RDBStorage(_driver(url), engine_kwargs=_patience(url))
        with quiet():
            self.study = self._opened()
        there = self.study.get_trials(deepcopy=False)
        self._ids = {trial.user_attrs.get(KEY): trial._trial_id for trial in there}
        self._ended = {trial._trial_id for trial in there if trial.state.is_finished()}
        self._metric = self.own.objective[0].metric
        held = {name: domain for trial in there for name, domain in trial.distributions.items()}
        wanted = distributions(self.own)
        self._distributions = {name: domain for name, domain in wanted.items() if _fits(held.get(name), domain)}

    def begin(self, curve: Curve) -> None:
        if curve.key in self._ids:
            return
        made = self._running(curve) if curve.state == "running" else self._whole(curve)
        self._ids[curve.key] = self.storage.create_new_trial(self.study._study_id, made)
        if made.state.is_finished():
            self._ended.add(self._ids[curve.key])

    def point(self, curve: Curve, epoch: int, point: Point) -> None:
        trial, value = self._ids[curve.key], self._intermediate(point)
        if trial not in self._ended and value is not None:
            self.storage.set_trial_intermediate_value(trial, epoch, value)

    def end(self, curve: Curve) -> None:
        trial, ended = self._ids[curve.key], curve.trial
        assert ended is not None
        if trial in self._ended:
            return
        for name, value in _attributes(curve).items():
            self.storage.set_trial_user_attr(trial, name, value)
        state, values = _outcome(self.own, ended)
        self.storage.set_trial_state_values(trial, state, values)
        self._ended.add(trial)

    def close(self) -> None:
        self.storage.remove_session()
        self.storage.engine.dispose()

    def _opened(self) -> optuna.Study:
        """The study of this name, unless that is another's."""
        for name in (self.about.name, f"{self.about.name}-{self.about.ident}"):
            goals = directions(self.own)
            made = optuna.create_study(storage=self.storage, study_name=name, directions=goals, load_if_exists=True)
            owner = made.user_attrs.get(LEDGER)
            if owner == self.about.ident or (owner is None and not made.get_trials(deepcopy=False)):
                break
        if owner is None:
            for key, value in {**self.about.facts, LEDGER: self.about.ident}.items():
                made.set_user_attr(key, value)
            made.set_metric_names([objective.metric for objective in self.own.objective])
        return made

    def _running(self, curve: Curve) -> FrozenTrial:
        """A trial as it begins; what was not searched are its user attributes, and a choice that has become wider, of
        which a storage holds one kind alone, and what a failed trial had outside of the space that is searched now."""
        searched = searched_in(self._distributions, curve.settings)
        made = create_trial(
            state=TrialState.RUNNING,
            params={name: shown(each, curve.settings[name]) for name, each in searched.items()},
            distributions=searched,
            user_attrs={KEY: curve.key, **{n: v for n, v in curve.settings.items() if n not in searched}},
        )
        made.datetime_start = datetime.fromtimestamp(curve.started or time.time())
        return made

    def _whole(self, curve: Curve) -> FrozenTrial:
        """A trial that ended before the storage heard of it: at once, with the time of its end, which a storage sets to
        now for one that it has seen running."""
        made, ended = self._running(curve), curve.trial
        assert ended is not None
        made.state, made.values = _outcome(self.own, ended)
        found = {epoch: point for epoch in range(1, curve.epoch + 1) if (point := curve.at(epoch)) is not None}
        told = {epoch: self._intermediate(point) for epoch, point in found.items()}
        made.intermediate_values = {epoch: value for epoch, value in told.items() if value is not None}
        made.user_attrs.update(_attributes(curve))
        assert made.datetime_start is not None
        made.datetime_complete = made.datetime_start + timedelta(seconds=ended.seconds or 0.0)
        return made

    def _intermediate(self, point: Point) -> float | None:
        """What a trial is compared by on the way; of several objectives Optuna takes none."""
        return point.metrics.get(self._metric) if len(self.own.objective) == 1 else None


def _attributes(curve: Curve) -> dict[str, Any]:
    """What is known of a trial at its end, beside its values."""
    ended = curve.trial
    assert ended is not None
    told = {"reason": ended.reason, "rung": ended.rung, "fingerprint": ended.fingerprint, **curve.final}
    return {name: value for name, value in told.items() if value is not None}


def _fits(held: BaseDistribution | None, wanted: BaseDistribution) -> bool:
    """Whether a storage that holds values of one domain takes those of another."""
    try:
        if held is not None:
            check_distribution_compatibility(held, wanted)
    except ValueError:
        return False
    return True


def _outcome(study: Study, trial: Trial) -> tuple[TrialState, list[float] | None]:
    """As the sampler was told: a degenerate trial that may not win counts as failed."""
    sound = trial.values is not None and all(map(math.isfinite, trial.values)) and not barred(study, trial)
    if trial.state == "complete" and not sound:
        return TrialState.FAIL, None
    told = trial.state == "complete" or (trial.state == "pruned" and len(study.objective) == 1 and sound)
    return STATES[trial.state], trial.values if told else None


def _driver(url: str) -> str:
    """PostgreSQL is spoken to by psycopg, whatever SQLAlchemy takes by itself."""
    scheme, sep, rest = url.partition("://")
    return f"postgresql+psycopg{sep}{rest}" if scheme in ("postgres", "postgresql") else url


def _patience(url: str) -> dict[str, Any]:
    names = {"sqlite": "timeout", "postgres": "connect_timeout"}
    found = [name for scheme, name in names.items() if url.startswith(scheme)]
    return {"connect_args": dict.fromkeys(found, PATIENCE)}


def open_tracker(place: str, about: About) -> OptunaStorage:
    """A file inside the study's folder, where no URL is said."""
    return OptunaStorage(place or f"sqlite:///{about.folder / 'optuna.db'}", about)
