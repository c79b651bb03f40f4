"""A finished study, or one as far as it is, as an Optuna study in memory: for `optuna.visualization`.

Nothing is decided by it: the sampler's own memory is rebuilt from the ledger, see `search.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from dfkd_ray.study import Study
from dfkd_ray.study.arms import Walk
from dfkd_ray.study.domains import Bool, Choice, Domain, canonical
from dfkd_ray.tune.search import STATES, directions, distribution, quiet

ARM = "arm"


@dataclass(frozen=True)
class Past:
    """A trial as tables have it. values: of the objectives, if it is complete. curve: of the first one, by epoch.

    facts: what else there is to know of it.
    """

    number: int
    state: str
    changes: Mapping[str, Any]
    arm: str | None = None
    values: Sequence[float] | None = None
    curve: Mapping[int, float] = field(default_factory=dict)
    started: datetime | None = None
    seconds: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)


def optuna_study(study: Study, trials: Iterable[Past]) -> optuna.Study:
    """The trials, in their order, with their parameters, intermediate values and states.

    What was not searched are user attributes; of an ablation the arm is a parameter, where all are known beforehand.
    """
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # it tells of each study that it makes
    try:
        made = optuna.create_study(study_name=study.study, directions=directions(study))
    finally:
        optuna.logging.set_verbosity(before)
    with quiet():
        made.set_metric_names([objective.metric for objective in study.objective])
        known = distributions(study)
        made.add_trials([_frozen(study, each, known) for each in trials])
    return made


def _frozen(study: Study, past: Past, known: Mapping[str, BaseDistribution]) -> FrozenTrial:
    settings = {**past.changes, **({} if past.arm is None else {ARM: past.arm})}
    searched = searched_in(known, settings)
    one = len(study.objective) == 1  # trials with several have no intermediate values
    state, values = STATES.get(past.state, TrialState.RUNNING), past.values
    if past.state == "pruned" and one and past.curve:
        values = [past.curve[max(past.curve)]]
    made = create_trial(
        state=state,
        values=values if state in (TrialState.COMPLETE, TrialState.PRUNED) else None,
        params={path: shown(own, settings[path]) for path, own in searched.items()},
        distributions=searched,
        user_attrs={**past.facts, **{path: value for path, value in settings.items() if path not in searched}},
        intermediate_values=dict(past.curve) if one else {},
    )
    if past.started is not None:
        made.datetime_start = past.started.astimezone().replace(tzinfo=None)  # as Optuna has it: local, without a zone
        if state.is_finished():
            made.datetime_complete = made.datetime_start + timedelta(seconds=past.seconds or 0.0)
    return made


def distributions(study: Study) -> dict[str, BaseDistribution]:
    """Of what is searched, and of the arm where all are known before."""
    found = {path: _distribution(domain) for path, domain in study.search.items()}
    if study.ablation is not None and not isinstance(study.ablation.design, Walk):
        found[ARM] = CategoricalDistribution([arm.name for arm in study.ablation.arms])
    return found


def _distribution(domain: Domain) -> BaseDistribution:
    """As the sampler has it, but that choices stand for themselves where Optuna can tell them apart."""
    values = list(domain.grid() or ()) if isinstance(domain, Choice | Bool) else []
    plain = all(value is None or isinstance(value, bool | int | float | str) for value in values)
    return CategoricalDistribution(values) if plain and 0 < len(set(values)) == len(values) else distribution(domain)


def searched_in(known: Mapping[str, BaseDistribution], settings: Mapping[str, Any]) -> dict[str, BaseDistribution]:
    """Of the paths of a trial those whose value is one of their distribution: a trial that has failed may lie outside
    of a space that was edited since, and Optuna takes no such parameter."""
    return {path: own for path, own in known.items() if path in settings and _takes(own, settings[path])}


def _takes(own: BaseDistribution, value: Any) -> bool:
    try:
        return bool(own._contains(own.to_internal_repr(shown(own, value))))
    except ValueError:
        return False


def shown(own: BaseDistribution, value: Any) -> Any:
    """A value as one of its distribution."""
    if isinstance(own, CategoricalDistribution) and value not in own.choices:
        return canonical(value)  # how the sampler knows a choice that is a mapping, or stands beside its equal
    return value
