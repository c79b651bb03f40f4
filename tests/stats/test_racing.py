"""The race of settings over seeds: its noise against the layout in two ways, its bound against draws."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.stats.racing import Pooled, Residuals, most_ahead

values = st.floats(-100, 100, allow_nan=False)
tables = st.integers(2, 4).flatmap(
    lambda seeds: st.lists(st.lists(values, min_size=seeds, max_size=seeds), min_size=2, max_size=6)
)


def added(rows: list[list[float]]) -> Residuals:
    made = Residuals()
    for row in rows:
        made.add(row)
    return made


@given(tables)
def test_noise_is_the_residual_of_setting_and_seed(rows: list[list[float]]) -> None:
    y = np.asarray(rows)
    rest = y - y.mean(1, keepdims=True) - y.mean(0, keepdims=True) + y.mean()
    free = (y.shape[0] - 1) * (y.shape[1] - 1)
    found = added(rows).noise
    assert found is not None
    assert found.free == free
    assert found.deviation == pytest.approx(math.sqrt((rest**2).sum() / free), abs=1e-5)


@pytest.mark.parametrize("rows", [[], [[1.0, 2.0]], [[1.0], [2.0]]])
def test_too_little_tells_no_noise(rows: list[list[float]]) -> None:
    assert added(rows).noise is None


def test_a_setting_and_a_seed_that_add_up_leave_no_noise() -> None:
    found = added([[setting + seed for seed in (0.0, 5.0, 1.0)] for setting in (10.0, 20.0)]).noise
    assert found == Pooled(0.0, 2)
    assert most_ahead([-0.1], 3, found, 0.05) == pytest.approx(-0.1), "then what was seen is what will be"


@pytest.mark.parametrize(("done", "seeds"), [(1, 3), (2, 3), (2, 5)])
def test_the_bound_holds_as_often_as_it_says(done: int, seeds: int) -> None:
    """Whatever the truth is: the mean over all seeds is above the bound in a share `risk` of draws, which estimate
    their noise anew each."""
    rng, draws, free, risk, true = np.random.default_rng(0), 4000, 6, 0.1, -1.3
    apart = true + math.sqrt(2) * rng.standard_normal((draws, seeds))  # of two settings, each with noise 1
    spread = np.sqrt(rng.chisquare(free, draws) / free)
    above = sum(
        row.mean() > most_ahead(list(row[:done]), seeds, Pooled(float(own), free), risk)
        for row, own in zip(apart, spread)
    )
    assert above / draws == pytest.approx(risk, abs=4 * math.sqrt(risk * (1 - risk) / draws))


def test_no_risk_leaves_nothing_and_more_seeds_tell_more() -> None:
    found = Pooled(1.0, 10)
    assert most_ahead([-1000.0], 3, found, 0.0) == math.inf
    bounds = [most_ahead([-1.0] * done, 5, found, 0.05) for done in (1, 2, 3, 4)]
    assert bounds == sorted(bounds, reverse=True)
    assert bounds[-1] > -1.0
