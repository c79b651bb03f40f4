"""The conditional space: order, activity, exhaustive enumeration."""

from __future__ import annotations

import itertools

import pytest

from dfkd_ray.study import domains
from dfkd_ray.study.domains import Bool, Choice, Int, Log
from dfkd_ray.study.space import active, draw, enumerate_grid, mistakes, ordered
from dfkd_ray.util.errors import ConfigError

CONDITIONAL = {
    "weight": Int(1, 2, when={"order": (2, 3)}),
    "order": Choice((1, 2, 3), when={"on": (True,)}),
    "on": Bool(),
}


def test_parents_come_first_and_the_file_decides_the_rest() -> None:
    assert ordered(CONDITIONAL) == ("on", "order", "weight")
    assert ordered({"b": Bool(), "a": Bool()}) == ("b", "a")


def test_draw_asks_only_for_what_is_active() -> None:
    assert draw(CONDITIONAL, lambda path, domain: domain.ends()[0]) == {"on": False}
    assert draw(CONDITIONAL, lambda path, domain: domain.ends()[-1]) == {"on": True, "order": 3, "weight": 2}
    assert not active(CONDITIONAL["weight"], {"on": True, "order": 1})


def test_a_conditional_grid_has_every_point_once() -> None:
    points = enumerate_grid(CONDITIONAL)
    brute = [{"on": False}, {"on": True, "order": 1}]
    brute += [{"on": True, "order": o, "weight": w} for o, w in itertools.product((2, 3), (1, 2))]
    assert sorted(points, key=str) == sorted(brute, key=str)


def test_a_grid_that_cannot_be_counted_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"search\.a: a grid needs countable values: say how many `points`"):
        enumerate_grid({"a": Log(1, 10), "b": Bool()})


def test_a_grid_too_large_is_refused() -> None:
    with pytest.raises(ConfigError, match="more than 100,000 points"):
        enumerate_grid({"a": Int(1, 1000), "b": Int(1, 1000)})


def test_circles_and_unknown_parents() -> None:
    circle = {"a": Bool(when={"b": (True,)}), "b": Bool(when={"a": (True,)})}
    with pytest.raises(ConfigError, match="the conditions form a circle: a -> b -> a"):
        ordered(circle)
    found = list(mistakes({"a": Bool(when={"ordr": (1,)}), "order": Choice((1, 2)), "w": Bool(when={"order": (3,)})}))
    assert [problem.message for problem in found] == [
        "no such path under `search`; did you mean 'order'? (known: order, w)",
        "is never 3 (known: 1, 2)",
    ]


def test_nothing_of_a_huge_range_is_built() -> None:
    """The first would take a terabyte, the second is never drawn from but under a condition."""
    huge = {"int": [1, 10**12]}
    for raw in ({"a": huge}, {"a": {"bool": True}, "b": {**huge, "when": {"a": [True]}}}):
        with pytest.raises(ConfigError, match="the grid has more than 100,000 points"):
            enumerate_grid({path: domains.parse(domain) for path, domain in raw.items()})
    found = list(mistakes({"a": domains.parse(huge), "b": domains.parse({"bool": True, "when": {"a": [3]}})}))
    assert [str(each) for each in found] == ["search.b.when.a: a condition needs a parent with at most 1,000 values"]
