"""Which setting is the best on fresh seeds, and how sure that is: against sampling, and where nothing can be said."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dfkd_ray.stats.effects import Outcomes
from dfkd_ray.stats.winner import common, curse, fresh, ranked

VALUES = {"a": [0.91, 0.93, 0.90, 0.95, 0.92], "b": [0.90, 0.93, 0.91, 0.92, 0.92], "c": [0.84, 0.90, 0.86, 0.87, 0.89]}


def outcomes(values: dict[str, list[float | None]] | dict[str, list[float]]) -> Outcomes:
    return {name: {(seed, 0): value for seed, value in enumerate(own)} for name, own in values.items()}


def test_means_and_intervals_that_hold_for_all_settings_together() -> None:
    found = fresh(outcomes(VALUES), "max")
    assert [each.name for each in found] == ["a", "b", "c"]
    for each in found:
        own = VALUES[each.name]
        level = 1 - 0.05 / 3
        low, high = stats.t.interval(level, 4, np.mean(own), stats.sem(own))
        assert (each.n, each.lost) == (5, 0)
        assert (each.mean, each.low, each.high) == pytest.approx((np.mean(own), low, high))


def test_the_probability_is_that_of_a_sampled_posterior() -> None:
    """Draws of noise, shrinkage and settings, each weighed by what its values say of it, in place of the integrals."""
    y = np.array(list(VALUES.values()))
    count, seeds = y.shape
    means = y.mean(1)
    rest = y - means[:, None] - y.mean(0) + y.mean()
    free = (count - 1) * (seeds - 1)
    rng, many = np.random.default_rng(0), 400_000
    variance = (rest**2).sum() / rng.chisquare(free, many)
    shrink = rng.uniform(size=many)
    between = seeds * ((means - means.mean()) ** 2).sum()
    weight = (shrink / variance) ** ((count - 1) / 2) * np.exp(-shrink * between / (2 * variance))
    centre = means.mean() + (1 - shrink)[:, None] * (means - means.mean())
    drawn = centre + rng.standard_normal((many, count)) * np.sqrt((1 - shrink) * variance / seeds)[:, None]
    best = np.bincount(drawn.argmax(1), weight, count) / weight.sum()
    assert [each.best for each in fresh(outcomes(VALUES), "max")] == pytest.approx(best, abs=0.01)


def test_where_less_is_better_all_is_turned() -> None:
    turned = {name: [-value for value in own] for name, own in VALUES.items()}
    straight, other = fresh(outcomes(VALUES), "max"), fresh(outcomes(turned), "min")
    assert [each.name for each in straight] == [each.name for each in other]
    assert [each.best for each in straight] == pytest.approx([each.best for each in other])
    assert other[0].low == pytest.approx(-(straight[0].high or 0))


def test_what_a_seed_adds_to_all_settings_tells_nothing() -> None:
    moved = {name: [value + shift for value, shift in zip(own, [0, 3, -2, 5, 1])] for name, own in VALUES.items()}
    same = [each.best for each in fresh(outcomes(VALUES), "max")]
    assert [each.best for each in fresh(outcomes(moved), "max")] == pytest.approx(same, abs=1e-6)


def test_only_seeds_that_every_setting_has_count() -> None:
    found = outcomes({"a": [0.9, None, 0.8, 0.7], "b": [0.5, 0.99, 0.5, math.inf]})
    assert {name: list(own.values()) for name, own in common(found).items()} == {"a": [0.9, 0.8], "b": [0.5, 0.5]}
    assert [(each.name, each.n, each.lost) for each in fresh(found, "max")] == [("a", 2, 1), ("b", 2, 1)]


def test_a_setting_without_any_value_is_last_and_costs_the_others_nothing() -> None:
    found = fresh(outcomes({"gone": [None, None, None], "a": [0.9, 0.8, 0.7]}), "max")
    assert [(each.name, each.n, each.lost, each.best) for each in found] == [("a", 3, 0, 1.0), ("gone", 0, 3, None)]
    assert found[0].low == pytest.approx(stats.t.interval(0.95, 2, 0.8, stats.sem([0.9, 0.8, 0.7]))[0])


def test_without_noise_the_first_is_the_best_and_equals_share() -> None:
    assert [each.best for each in fresh(outcomes({"a": [0.5] * 3, "b": [0.6] * 3}), "max")] == [1.0, 0.0]
    assert [each.best for each in fresh(outcomes({"a": [0.5] * 3, "b": [0.5] * 3}), "max")] == [0.5, 0.5]


def test_settings_that_share_no_seed_keep_their_own_values_and_no_probability() -> None:
    found = fresh(outcomes({"a": [0.9, None], "b": [None, 0.8]}), "max")
    assert [(each.name, each.mean, each.best) for each in found] == [("a", 0.9, None), ("b", 0.8, None)]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), min_size=2, max_size=4))
def test_probabilities_add_up_and_follow_the_means(values: list[list[float]]) -> None:
    found = fresh(outcomes({str(i): own for i, own in enumerate(values)}), "max")
    chances = [each.best or 0.0 for each in found]
    assert math.fsum(chances) == pytest.approx(1.0)
    assert all(a >= b - 1e-6 for a, b in pairwise(chances))
    assert [each.name for each in found] == ranked(outcomes({str(i): own for i, own in enumerate(values)}), "max")


def test_the_winners_curse_is_positive_where_the_value_that_won_flattered() -> None:
    (first,) = fresh(outcomes({"a": [0.8, 0.9, 0.7]}), "max")
    found = curse(0.95, first, "max")
    assert found["value"] == pytest.approx(0.15)
    assert (found["low"], found["high"]) == pytest.approx((0.95 - (first.high or 0), 0.95 - (first.low or 0)))
    turned = curse(0.65, first, "min")
    assert turned["value"] == pytest.approx(0.15)
    assert turned["low"] < turned["value"] < turned["high"]  # type: ignore[operator]
