"""Priors: the values first, then half of what is drawn at random around them, and nothing once the model proposes."""

from __future__ import annotations

import math
import statistics
from typing import Any

import pytest
from scipy import stats

from dfkd_ray.study import Budget, Objective, Study
from dfkd_ray.study.domains import Bool, Choice, Int, Log, Uniform
from dfkd_ray.study.priors import Prior
from dfkd_ray.study.specs import Random, Tpe
from dfkd_ray.study.starting import fitted
from dfkd_ray.tune.by_prior import setting
from dfkd_ray.tune.search import Search

SPACE: dict[str, Any] = {
    "log": Log(0.01, 100, prior=Prior(10, "high")),
    "uniform": Uniform(0, 1, step=0.1, prior=Prior(0.9, "low")),
    "int": Int(1, 64, log=True, prior=Prior(8)),
    "steps": Int(0, 30, step=10, prior=Prior(20)),
    "choice": Choice(("a", "b", "c"), prior=Prior("b")),
    "bool": Bool(prior=Prior(True, "high")),
    "free": Uniform(0, 1),
    "some": Uniform(0, 1, when={"bool": (True,)}),
}


def study(sampler: Any, trials: int = 30, **more: Any) -> Study:
    return Study("s", "m", "t", (Objective("val_accuracy"),), SPACE, sampler=sampler, budget=Budget(trials), **more)


def drawn(count: int) -> list[dict[str, Any]]:
    found = (setting(study(Random()), 1, 1, seed) for seed in range(count))
    return [dict(each) for each in found if each is not None]


def test_half_of_what_is_drawn_lies_around_the_priors() -> None:
    points = drawn(4000)
    assert stats.binomtest(len(points), 4000).pvalue > 0.01
    for point in points:
        assert point == {path: fitted(SPACE[path], value) for path, value in point.items()}
        assert ("some" in point) == point["bool"]
    # the truncated normal distribution of the place on a range
    places = [math.log10(point["log"] / 0.01) / 4 for point in points]
    cut = stats.truncnorm(-0.75 / 0.125, 0.25 / 0.125, 0.75, 0.125)
    assert stats.kstest(places, cut.cdf).pvalue > 0.01
    assert stats.kstest([point["free"] for point in points], "uniform").pvalue > 0.01
    shares = {value: sum(point["choice"] == value for point in points) / len(points) for value in "abc"}
    assert shares["b"] == pytest.approx(0.8, abs=0.04), "0.7 and a third of the rest"
    assert sum(point["bool"] for point in points) / len(points) == pytest.approx(0.95, abs=0.03)
    assert statistics.mode(point["steps"] for point in points) == 20
    assert 5 < statistics.median(point["int"] for point in points) < 12


def test_the_values_themselves_run_first_and_the_model_is_not_bound() -> None:
    search = Search(study(Tpe(startup=6)))
    first, who = None, []
    for number in range(12):
        proposal = search.propose()
        assert proposal is not None
        first, who = first or proposal.changes, [*who, proposal.proposed_by]
        search.tell(number, "complete", [0.5], {}, None)
    assert {path: value for path, value in (first or {}).items() if path not in ("free", "some")} == {
        "log": 10.0,
        "uniform": 0.9,
        "int": 8,
        "steps": 20,
        "choice": "b",
        "bool": True,
    }
    assert who[0] == "prior"
    assert set(who[:6]) == {"prior", "start-up"}
    assert set(who[6:]) == {"model"}


def test_without_priors_nothing_is_drawn_from_them() -> None:
    plain = {"x": Uniform(0, 1)}
    made = Study("s", "m", "t", (Objective("val_accuracy"),), plain, budget=Budget(3))
    assert setting(made, 0, 0, 1) is None
