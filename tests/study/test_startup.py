"""How much of a search is one: start-up trials follow the budget, and random search is called by its name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dfkd_ray.study import Budget, Objective, Study
from dfkd_ray.study.domains import Choice, Log, Uniform
from dfkd_ray.study.specs import Cmaes, Gp, Nsga2, Random, SamplerSpec, Tpe
from dfkd_ray.study.startup import describe, drawn_first

SPACE: dict[str, Any] = {"a": Log(1, 2), "b": Uniform(0, 1), "c": Choice((1, 2))}


def test_where_every_setting_is_run_there_is_nothing_to_model() -> None:
    study = replace(sweep(Tpe(), 9), search={"c": SPACE["c"]})
    assert describe(study) == "each of the 2 settings is run once: tpe decides their order alone"


def sweep(sampler: SamplerSpec, trials: int | None) -> Study:
    budget = Budget(trials=trials, hours=1.0)
    goal = (Objective("val_accuracy"),)
    return Study(study="s", method="m", task="t", objective=goal, search=SPACE, sampler=sampler, budget=budget)


@pytest.mark.parametrize(
    ("sampler", "trials", "first"),
    [
        *(
            (Tpe(), trials, first)
            for trials, first in [(1, 1), (4, 2), (12, 6), (19, 9), (20, 10), (400, 10), (None, 10)]
        ),
        (Tpe(startup=10), 12, 10),
        (Gp(), 12, 6),
        *((Nsga2(), *case) for case in [(4, 4), (20, 4), (40, 8), (250, 50), (9999, 50), (None, 50)]),
        (Nsga2(population=7), 4, 7),
        (Cmaes(), 12, 7),  # 1 + 4 + floor(3 ln 2)
        (Cmaes(population=3), 12, 4),
        (Random(), 12, None),
    ],
    ids=str,
)
def test_start_up_follows_the_budget_unless_the_file_says(
    sampler: SamplerSpec, trials: int | None, first: int | None
) -> None:
    assert drawn_first(sweep(sampler, trials)) == first


@pytest.mark.parametrize(
    ("sampler", "trials", "said"),
    [
        (Tpe(), 12, "tpe draws the first 6 of 12 trials at random, its model proposes at most 6"),
        (Tpe(), None, "tpe draws the first 10 trials at random, its model proposes the others"),
        (
            Tpe(startup=10),
            8,
            "tpe draws the first 10 trials at random, and there are 8: this is random search; for a model take more "
            "trials, or a smaller `startup`",
        ),
        (
            Nsga2(),
            4,
            "nsga2 draws the first 4 trials at random, and there are 4: this is random search; for a model take more "
            "trials, a smaller `population`, or tpe",
        ),
        (Random(), 12, None),
    ],
    ids=str,
)
def test_how_many_trials_the_model_proposes_is_said(sampler: SamplerSpec, trials: int | None, said: str | None) -> None:
    assert describe(sweep(sampler, trials)) == said
