"""Which searched settings mattered, by Optuna's PED-ANOVA."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.trial import create_trial

from dfkd_ray.study import Study
from dfkd_ray.tune.search import directions, distribution, inner, quiet

AT_LEAST = 8  # trials: an importance from fewer would be noise
TOP = 4  # trials: what sets at least so many of the best apart, not the luck of one
Point = tuple[Mapping[str, Any], Sequence[float]]  # changes, and the values of the objectives


def importance(study: Study, points: Sequence[Point]) -> dict[str, dict[str, float]]:
    """Objective -> path -> share of the importance, by PED-ANOVA (Watanabe et al., 2023), the most important first.

    Empty if there are too few points to say.
    """
    if len(points) < AT_LEAST:
        return {}
    quantile = max(0.1, min(0.5, TOP / len(points)))
    evaluator = optuna.importance.PedAnovaImportanceEvaluator(target_quantile=quantile)
    fresh = optuna.create_study(directions=directions(study))
    for changes, values in points:
        params = {path: inner(study.search[path], value) for path, value in changes.items()}
        kinds = {path: distribution(study.search[path]) for path in changes}
        fresh.add_trial(create_trial(values=list(values), params=params, distributions=kinds))
    shares: dict[str, dict[str, float]] = {}
    for i, objective in enumerate(study.objective):
        with quiet():
            found = optuna.importance.get_param_importances(
                fresh,
                evaluator=evaluator,
                target=lambda trial, i=i, sign=objective.sign: -sign * trial.values[i],  # it asks for what makes it low
            )
        shares[objective.metric] = dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))
    return shares
