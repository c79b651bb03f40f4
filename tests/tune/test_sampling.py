"""Samplers are built one a spec, from a seed that is each trial's own; see also `test_search.py`."""

from __future__ import annotations

from dfkd_ray.study import Budget, Objective, Study
from dfkd_ray.study.domains import Uniform
from dfkd_ray.study.specs import Gp, Nsga2, Tpe, samplers
from dfkd_ray.tune.sampling import builders


def test_what_the_file_leaves_open_follows_the_budget() -> None:
    goal, space = (Objective("val_accuracy"),), {"a": Uniform(0, 1), "b": Uniform(0, 1)}
    assert list(builders) == list(samplers)
    for spec, attribute in ((Tpe(), "_n_startup_trials"), (Gp(), "_n_startup_trials"), (Nsga2(), "_population_size")):
        name: str = spec.registered_as  # type: ignore[attr-defined]
        for trials, drawn in ((12, 6), (18, 9)) if attribute == "_n_startup_trials" else ((12, 4), (30, 6)):
            budget = Budget(trials=trials)
            study = Study(study="s", method="m", task="t", objective=goal, search=space, sampler=spec, budget=budget)
            assert getattr(builders[name](spec, study, 0), attribute) == drawn
