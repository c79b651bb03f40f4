"""Power of the paired t test, against simulation, published numbers and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import HELPS, effects
from dfkd_ray.stats.power import flattery, pairs_needed, power_of, smallest_effect, smallest_lead, spread
from dfkd_ray.stats.verdicts import Comparison, judge

pytestmark = pytest.mark.filterwarnings("error")
RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize(("size", "pairs"), [(0.2, 199), (0.5, 34), (0.8, 15)])
def test_pairs_for_a_small_a_medium_and_a_large_effect(size: float, pairs: int) -> None:
    """Cohen's three sizes at level 0.05, power 0.8, two-sided, as every table of the paired t test has them."""
    assert pairs_needed(size, 1.0) == pairs_needed(-size, 1.0) == pairs


@pytest.mark.parametrize("pairs", [5, 6, 8, 10, 20, 100])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_smallest_effect_is_that_of_statsmodels(pairs: int, power: float) -> None:
    theirs = pytest.importorskip("statsmodels.stats.power").TTestPower()
    size = smallest_effect(pairs, 1.0, power=power)
    assert theirs.power(size, pairs, 0.05) == pytest.approx(power, abs=1e-6)


@pytest.mark.parametrize("pairs", [3, 5, 10, 40])
def test_power_of_one_effect_is_that_of_simulated_tests(pairs: int) -> None:
    """400,000 tests: a standard error of 0.0006. At 3 pairs other tools have gone astray."""
    rng = np.random.default_rng(pairs)
    shift = smallest_effect(pairs, 2.5)
    means = rng.normal(shift, 2.5 / math.sqrt(pairs), 400_000)
    deviations = 2.5 * np.sqrt(rng.chisquare(pairs - 1, 400_000) / (pairs - 1))
    found = np.abs(means / deviations) * math.sqrt(pairs) > stats.t.isf(0.025, pairs - 1)
    assert found.mean() == pytest.approx(0.8, abs=0.003)


@pytest.mark.parametrize(("pairs", "family"), [(3, 4), (3, 15), (5, 4), (5, 30), (10, 4), (30, 8)])
def test_power_is_that_of_the_rule_where_nothing_else_has_an_effect(pairs: int, family: int) -> None:
    """2,000 families of independent effects that are equally wide, one of them true: a standard error of 0.009."""
    rng, true = np.random.default_rng(pairs), smallest_effect(pairs, 2.5, effects=family)
    values = rng.normal(0.0, 2.5, (2000, family, pairs))
    values[:, 0] += true
    means, deviations = values.mean(2), values.std(2, ddof=1)
    told = 0
    for mean, deviation in zip(means.tolist(), deviations.tolist()):
        told += judge([Comparison(m, s, pairs) for m, s in zip(mean, deviation)], 0.95)[0].p < 0.05
    assert told / 2000 == pytest.approx(0.8, abs=0.03)


@pytest.mark.parametrize(("pairs", "effect"), [(3, 2.0), (5, 1.0), (10, -0.7), (4, 0.0)])
def test_the_power_of_so_many_pairs_is_that_of_the_noncentral_t(pairs: int, effect: float) -> None:
    limit, shift = stats.t.isf(0.025, pairs - 1), effect / 2.5 * math.sqrt(pairs)
    exact = stats.nct.sf(limit, pairs - 1, shift) + stats.nct.cdf(-limit, pairs - 1, shift)
    assert power_of(pairs, effect, 2.5) == pytest.approx(exact, rel=1e-6)
    for family in (1, 6):
        assert power_of(pairs, smallest_effect(pairs, 2.5, 0.95, 0.7, family), 2.5, effects=family) == pytest.approx(
            0.7
        )


def test_studies_find_the_smallest_effect_as_often_as_was_said() -> None:
    """The verdicts themselves, over 2,000 studies of one effect each."""
    rng = np.random.default_rng(0)
    true = smallest_effect(6, math.sqrt(2.0))
    contrast = Contrast(component="c", kind="simple", name="", weights={"on": 1.0, "off": -1.0})
    helped = 0
    for on, off in rng.normal(0.0, 1.0, (2000, 2, 6)) + np.array([[true], [0.0]]):
        table = {
            "on": {(i, 0): float(y) for i, y in enumerate(on)},
            "off": {(i, 0): float(y) for i, y in enumerate(off)},
        }
        helped += effects([contrast], table, "m", "max", resamples=0)[0].verdict == HELPS
    assert helped / 2000 == pytest.approx(0.8, abs=0.03)


@RELAXED
@given(st.integers(3, 500), st.floats(0.01, 100), st.floats(0.5, 0.99))
def test_pairs_needed_is_the_inverse(pairs: int, spread: float, power: float) -> None:
    smallest = smallest_effect(pairs, spread, power=power)
    assert pairs_needed(smallest * 1.0001, spread, power=power) == pairs
    assert pairs_needed(smallest * 0.9999, spread, power=power) == pairs + 1


@pytest.mark.parametrize("family", [2, 4, 15, 50])
@pytest.mark.parametrize("pairs", [3, 5, 8, 20])
def test_pairs_needed_is_the_inverse_in_a_family_too(pairs: int, family: int) -> None:
    smallest = smallest_effect(pairs, 2.0, effects=family)
    assert pairs_needed(smallest * 1.0001, 2.0, effects=family) == pairs
    assert pairs_needed(smallest * 0.999, 2.0, effects=family) == pairs + 1


@settings(RELAXED, max_examples=25)  # each draws studies of its own number of pairs
@given(st.integers(3, 100), st.floats(0.1, 10))
def test_more_of_everything_tells_more(pairs: int, spread: float) -> None:
    here = smallest_effect(pairs, spread)
    assert smallest_effect(pairs + 1, spread) < here < smallest_effect(pairs, spread, power=0.9)
    assert here < smallest_effect(pairs, spread, effects=3)
    assert here < smallest_effect(pairs, spread, level=0.99)
    assert smallest_effect(pairs, 2 * spread) == pytest.approx(2 * here)


def test_the_ends() -> None:
    assert smallest_effect(2, 1.0) == smallest_effect(0, 1.0) == math.inf
    assert smallest_effect(5, 0.0) == 0
    assert pairs_needed(1e-3, 0.0) == pairs_needed(1e9, 1.0) == 3
    assert pairs_needed(1e-5, 1.0) == pytest.approx(
        (stats.norm.isf(0.025) + stats.norm.isf(0.2)) ** 2 / 1e-10, rel=1e-5
    )
    assert math.isfinite(smallest_effect(3, 1.0, level=0.9999, power=0.999, effects=1000))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 95}, "level must be between 0 and 1, got 95"),
        ({"power": 80}, "power must be between 0.05 and 1, got 80"),
        ({"power": 0.04}, "power must be between 0.05 and 1, got 0.04"),
        ({"spread": -1.0}, "spread must be >= 0, got -1"),
        ({"spread": math.nan}, "spread must be >= 0, got nan"),
        ({"effects": 0}, "effects must be >= 1, got 0"),
    ],
)
def test_impossible_questions(options: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        smallest_effect(**{"pairs": 5, "spread": 1.0, **options})
    with pytest.raises(ValueError, match=message):
        pairs_needed(**{"effect": 1.0, "spread": 1.0, **options})


@pytest.mark.parametrize("effect", [0.0, math.nan, math.inf])
def test_no_number_of_pairs_detects_nothing(effect: float) -> None:
    with pytest.raises(ValueError, match="effect must be a number other than 0"):
        pairs_needed(effect, 1.0)


# ---- the spread of earlier trials


def two(on: str, off: str) -> Contrast:
    return Contrast(component=on, kind="simple", name="", weights={on: 1.0, off: -1.0})


def test_the_spread_is_pooled_over_contrasts() -> None:
    """Differences 1, 2, 3 (sum of squares 2, 2 degrees) and 0, 4 (8, 1 degree): sqrt(10 / 3). Failed pairs are out."""
    table = {
        "base": {(0, 0): 0.0, (1, 0): 10.0, (2, 0): 20.0},
        "a": {(0, 0): 1.0, (1, 0): 12.0, (2, 0): 23.0},
        "b": {(0, 0): 0.0, (1, 0): 14.0, (2, 0): None},
        "single": {(0, 0): 5.0},
        "again": {(0, 0): 0.0, (1, 0): 10.0, (2, 0): 20.0},  # the base under a second name
    }
    contrasts = [two(arm, "base") for arm in ("a", "b", "single", "again", "nowhere")]
    assert spread(table, contrasts) == pytest.approx(math.sqrt(10 / 3))
    assert spread(table, contrasts[2:]) is None
    assert spread(table, []) is None
    assert spread({}, contrasts) is None


def test_a_spread_of_0_is_a_measurement() -> None:
    table = {"a": {(0, 0): 1.0, (1, 0): 2.0}, "b": {(0, 0): 0.0, (1, 0): 1.0}}
    assert spread(table, [two("a", "b")]) == 0


def test_contrasts_of_many_arms_are_brought_to_the_scale_of_two() -> None:
    """8 arms of standard deviation 3: a difference of two has 3 sqrt(2), a main effect half of that."""
    arms = [f"{i:03b}" for i in range(8)]
    main = Contrast(
        component="c", kind="main", name="", weights={arm: (1 if arm[0] == "1" else -1) / 4 for arm in arms}
    )
    assert two("a", "b").scale == 1
    assert main.scale == 0.5
    rng = np.random.default_rng(4)
    table = {arm: {(seed, 0): float(rng.normal(0.0, 3.0)) for seed in range(4000)} for arm in arms}
    for contrast in (main, two("000", "111")):
        assert spread(table, [contrast]) == pytest.approx(3 * math.sqrt(2), rel=0.04)


def test_the_smallest_lead_is_that_of_bechhofers_table() -> None:
    """Bechhofer, 1954, table I: root n times the difference over sigma, for 2, 3 and 10 populations."""
    for count, chance, told in [(2, 0.9, 1.8124), (3, 0.9, 2.2302), (10, 0.9, 2.9829), (4, 0.8, 1.8932)]:
        assert smallest_lead(count, 1.0, chance) == pytest.approx(told, abs=2e-4)
    assert smallest_lead(10, 3.0, 0.9) == pytest.approx(3 * smallest_lead(10, 1.0, 0.9))
    assert (smallest_lead(1, 1.0), smallest_lead(4, 1.0, 0.25)) == (0.0, 0.0), "chance does that much"


def test_the_best_of_equals_is_flattered_by_the_expected_largest_of_so_many_normal_numbers() -> None:
    """Two: 1 / sqrt(pi); three: 3 / (2 sqrt(pi)); ten: 1.53875 (David and Nagaraja, 2003)."""
    told = [flattery(count, 2.0) for count in (1, 2, 3, 10)]
    assert told == pytest.approx([0.0, 2 / math.sqrt(math.pi), 3 / math.sqrt(math.pi), 2 * 1.53875], abs=2e-5)


def test_a_lead_of_that_size_is_found_as_often_in_drawn_studies() -> None:
    rng = np.random.default_rng(0)
    drawn = rng.standard_normal((20_000, 12))
    drawn[:, 0] += smallest_lead(12, 1.0, 0.8)
    assert (drawn.argmax(1) == 0).mean() == pytest.approx(0.8, abs=0.01)
