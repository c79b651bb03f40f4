"""Domains: values, ends, grids, and what they refuse."""

from __future__ import annotations

import math

import pytest

from dfkd_ray.study import domains
from dfkd_ray.study.domains import Bool, Choice, Int, Log, Uniform, canonical, parse, plain
from dfkd_ray.util.errors import ConfigError


def test_each_kind_reads_and_writes_back() -> None:
    for raw, domain in [
        ({"choice": [1, "a", None, {"name": "pool"}]}, Choice((1, "a", None, {"name": "pool"}))),
        ({"bool": True}, Bool()),
        ({"int": [1, 9], "step": 2}, Int(1, 9, step=2)),
        ({"uniform": [0.0, 1.0], "points": 3}, Uniform(0.0, 1.0, points=3)),
        ({"log": [0.1, 100.0], "when": {"a.b": [True]}}, Log(0.1, 100.0, when={"a.b": (True,)})),
    ]:
        assert parse(raw) == domain
        assert plain(domain) == raw


def test_grids() -> None:
    assert Int(1, 7, step=3).grid() == (1, 4, 7)
    assert Bool().grid() == (False, True)
    assert Uniform(0, 1).grid() is None
    assert Log(1, 10).grid() is None
    assert Uniform(2, 4, points=5).grid() == (2, 2.5, 3, 3.5, 4)
    grid = Log(0.1, 100, points=4).grid()
    assert grid is not None
    assert grid[0] == 0.1
    assert grid[-1] == 100
    assert [math.log10(value) for value in grid] == pytest.approx([-1, 0, 1, 2])


def test_one_value_stands_for_a_list_in_a_condition() -> None:
    assert parse({"bool": True, "when": {"a": 2}}).when == {"a": (2,)}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (7, "expected a domain such as {log: [0.1, 100]} (kinds: bool, choice, int, log, uniform), got 7"),
        ({"unifrom": [0, 1]}, "unknown domain 'unifrom'; did you mean 'uniform'?"),
        ({"log": [1, 2], "int": [1, 2]}, "one kind of domain, got log and int"),
        ({"choice": 3}, "choice: expected a list of values, got 3"),
        ({"choice": []}, "choice needs at least one value"),
        ({"choice": [1, {"a": 1}, {"a": 1}]}, 'choice has {"a": 1} more than once'),
        ({"bool": False}, "bool takes `true` (both values)"),
        ({"int": [1.5, 2]}, "int: expected two whole numbers, got [1.5, 2]"),
        ({"int": [1, 8], "step": 2}, "8 is not reached from 1 in steps of 2"),
        ({"int": [1, 8], "step": 0}, "step must be >= 1, got 0"),
        ({"uniform": [1, 1]}, "low must be below high, got [1, 1]"),
        ({"uniform": [0, True]}, "uniform: expected two numbers, got [0, True]"),
        ({"uniform": [0, 1], "points": 1}, "points must be >= 2, got 1"),
        ({"log": [1, 2], "step": 1}, "step: no such option of a log domain"),
        ({"log": [0, 1]}, "a log domain starts above 0, got 0"),
        ({"int": [0, 9], "log": True}, "an int with `log: true` starts at 1 or above, and takes no `step`"),
        ({"int": [1, 9], "step": 2, "log": True}, "an int with `log: true` starts at 1 or above, and takes no `step`"),
        ({"int": [1, 9], "log": 3}, "log"),
        ({"uniform": [0, 1], "step": 0.3}, "1 is not reached from 0 in steps of 0.3"),
        ({"uniform": [0, 1], "step": -0.5}, "step must be > 0, and stands alone without `points`, got -0.5"),
        ({"uniform": [0, 1], "step": 0.5, "points": 3}, "step must be > 0, and stands alone without `points`"),
        ({"log": [1, 2], "when": 3}, "when: expected {parent path: [values]}, got 3"),
    ],
)
def test_refusals(raw: object, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse(raw)
    assert message in str(refused.value)


def test_a_uniform_with_a_step_has_its_steps_alone_and_both_ends() -> None:
    domain = parse({"uniform": [0.1, 0.7], "step": 0.2})
    assert domain.grid() == (0.1, 0.3, 0.5, 0.7)
    assert (domain.continuous, domain.ends()) == (False, (0.1, 0.7))
    assert parse({"uniform": [0, 1]}).continuous
    assert plain(domain) == {"uniform": [0.1, 0.7], "step": 0.2}


def test_an_int_may_be_logarithmic() -> None:
    domain = parse({"int": [1, 256], "log": True})
    assert domain == domains.Int(1, 256, log=True)
    assert plain(domain) == {"int": [1, 256], "log": True}
    assert parse({"int": [1, 256], "log": False}) == domains.Int(1, 256)


def test_canonical_tells_one_from_true() -> None:
    assert canonical(1) != canonical(True)
    assert canonical({"a": 1, "b": [2]}) == canonical({"b": (2,), "a": 1})


def test_all_kinds_are_registered() -> None:
    assert list(domains.domains) == ["bool", "choice", "int", "log", "uniform"]


@pytest.mark.parametrize(
    "raw",
    [
        {"choice": ["a", 1, None]},
        {"bool": True},
        {"int": [2, 10]},
        {"int": [3, 9], "step": 2},
        {"uniform": [0, 1], "points": 5},
        {"uniform": [0, 1], "step": 0.1},
        {"int": [1, 100], "log": True},
        {"log": [1, 9], "points": 3},
        {"log": [1, 9]},
    ],
)
def test_the_count_is_that_of_the_grid(raw: object) -> None:
    domain = parse(raw)
    grid = domain.grid()
    assert domain.count == (None if grid is None else len(grid))
