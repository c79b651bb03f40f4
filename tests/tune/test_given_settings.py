"""What a sampler does not choose: settings to start with, the points of a grid."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.study import Budget, Objective, Study
from dfkd_ray.study.domains import Choice, Int, Uniform
from dfkd_ray.study.space import enumerate_grid
from dfkd_ray.study.specs import Grid, samplers
from dfkd_ray.tune.given_settings import given, untried_of
from dfkd_ray.tune.search import Search

SPACE = {"x": Uniform(0, 1), "n": Int(1, 3)}
START = ({"x": 0.25, "n": 2}, {"x": 0.5, "n": 3})


def study(sampler: Any, space: Any = SPACE, **more: Any) -> Study:
    budget = more.pop("budget", Budget(8))
    return Study("s", "m", "t", (Objective("val_accuracy"),), space, sampler=sampler, budget=budget, **more)


@pytest.mark.parametrize("name", [name for name in samplers if name not in ("grid", "cmaes", "optunahub")])
def test_a_study_starts_with_its_settings_whatever_the_sampler(name: str) -> None:
    search = Search(study(samplers[name](), start=START))
    found = []
    for number in range(4):
        proposal = search.propose()
        assert proposal is not None
        found.append((dict(proposal.changes), proposal.proposed_by))
        search.tell(number, "complete", [0.1 * number], {}, None)
    assert found[:2] == [(START[0], "start"), (START[1], "start")]
    assert "start" not in (found[2][1], found[3][1])


def test_what_was_run_already_is_not_started_with() -> None:
    made = study(samplers["random"](), start=START)
    untried = untried_of(made, repeating=False)
    assert untried is not None
    assert given(made, untried, 0, 0, 1, 0) == (START[0], "start")
    untried.take(START[0])
    assert given(made, untried, 1, 0, 1, 0) == (START[1], "start")
    untried.take(START[1])
    assert given(made, untried, 2, 0, 1, 0) == (None, None)


@pytest.mark.parametrize("shuffle", [True, False])
def test_a_grid_gives_each_point_that_is_left_once(shuffle: bool) -> None:
    space = {"a": Choice((1, 2, 3)), "b": Choice(("x", "y"))}
    made = study(Grid(seed=3, shuffle=shuffle), space, budget=Budget())
    search = Search(made)
    found = [dict(proposal.changes) for proposal in iter(search.propose, None) if proposal is not None]
    every = enumerate_grid(space)
    assert sorted(map(repr, found)) == sorted(map(repr, every))
    assert (found == every) != shuffle
