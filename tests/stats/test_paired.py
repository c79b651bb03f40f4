"""Statistics of paired values, against scipy, brute force and numbers worked out by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from dfkd_ray.stats import paired

pytestmark = pytest.mark.filterwarnings("error")
RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
RNG = np.random.default_rng(11)
SAMPLES = [RNG.normal(0.5, 1.0, n) for n in (3, 4, 5, 8, 20, 60)]
by_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: f"n{len(sample)}")
# Whole numbers over 4: exact in binary, with ties and zeros.
quarters = st.lists(st.integers(-12, 12).map(lambda i: i / 4), min_size=2, max_size=8)


@by_sample
@pytest.mark.parametrize("level", [0.5, 0.95, 0.999])
def test_student_is_that_of_scipy(sample: np.ndarray, level: float) -> None:
    other = RNG.normal(0.0, 1.0, len(sample))
    theirs = stats.ttest_rel(sample, other)
    interval = theirs.confidence_interval(level)
    ours = paired.mean((sample - other).tolist(), level)
    assert ours.p == pytest.approx(theirs.pvalue, rel=1e-9)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high), rel=1e-9)
    assert ours.error == pytest.approx(stats.sem(sample - other), rel=1e-9)


def test_what_few_or_equal_values_cannot_say_is_none() -> None:
    assert paired.mean([], 0.95) == paired.Mean(0)
    assert paired.mean([2.5], 0.95) == paired.Mean(1, 2.5)
    assert paired.mean([], 0.95).p is None
    assert paired.mean([2.5], 0.95).p is None
    for constant in (0.0, 0.1, -1e-9, 1e9):
        mean = paired.mean([constant] * 3, 0.95)
        assert mean == paired.Mean(3, constant, 0.0, 0.0, constant, constant)
        assert mean.p is None


def brute_wilcoxon(values: list[float]) -> float:
    """Every pattern of signs of the ranks, Pratt's treatment of zeros."""
    size = [abs(value) for value in values]
    ranks = [sum(other < s for other in size) + (sum(other == s for other in size) + 1) / 2 for s in size]
    signed = [(rank, value > 0) for rank, value in zip(ranks, values) if value]
    middle = sum(rank for rank, _ in signed) / 2
    seen = abs(sum(rank for rank, up in signed if up) - middle)
    sums = [sum(r for (r, _), up in zip(signed, ups) if up) for ups in itertools.product((0, 1), repeat=len(signed))]
    return sum(abs(total - middle) >= seen - 1e-9 for total in sums) / len(sums)


@RELAXED
@given(quarters)
def test_wilcoxon_counts_every_pattern_of_signs(values: list[float]) -> None:
    assert paired.wilcoxon(values) == pytest.approx(brute_wilcoxon(values), abs=1e-12)


@by_sample
def test_wilcoxon_is_that_of_scipy_where_nothing_ties(sample: np.ndarray) -> None:
    assert paired.wilcoxon(sample.tolist()) == pytest.approx(stats.wilcoxon(sample, method="exact").pvalue, rel=1e-9)


@settings(RELAXED, max_examples=25)
@given(quarters)
def test_wilcoxon_is_that_of_all_permutations_by_scipy_with_ties_and_zeros(values: list[float]) -> None:
    every = stats.PermutationMethod(n_resamples=math.inf)
    theirs = stats.wilcoxon(values, zero_method="pratt", method=every).pvalue
    assert paired.wilcoxon(values) == pytest.approx(theirs, abs=1e-12)


def test_wilcoxon_by_hand() -> None:
    assert paired.wilcoxon([1, 2, 3]) == 0.25  # 2 of 8 patterns
    assert paired.wilcoxon([1, 1, 1, 1, 1]) == 2 / 32
    assert paired.wilcoxon([0, 0, 0]) == 1
    assert paired.wilcoxon([0, 2, 3, -4]) == 1.0  # ranks 2, 3 against 4 of 9: a sum of 5, and one of 4 as far out
    assert paired.wilcoxon([0, 2, 3, 4]) == 0.25


@pytest.mark.parametrize("n", [8, 20, 60])
def test_the_bootstrap_is_that_of_scipy(n: int) -> None:
    """On skewed values, so that neither bias nor acceleration is near 0; two streams of numbers, so not to the bit."""
    sample = np.random.default_rng(n).gamma(1.0, 1.0, n)
    theirs = stats.bootstrap((sample,), np.mean, n_resamples=20_000, method="BCa", random_state=1).confidence_interval
    plain = stats.bootstrap((sample,), np.mean, n_resamples=20_000, method="percentile", random_state=1)
    ours = paired.bca(sample.tolist(), 0.95, 20_000, seed=0)
    error = sample.std() / math.sqrt(n)
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.08 * error)
    assert ours[1] > plain.confidence_interval.high + 0.1 * error


def test_the_bootstrap_of_three_values_by_hand() -> None:
    """10 different resamples; symmetric values have neither bias nor acceleration, so the ends are the 2.5 % points.

    Of 27 resamples one is the lowest value three times (3.7 %): the interval runs from end to end.
    """
    assert paired.bca([-1.0, 0.0, 1.0], 0.95, 20_000, seed=0) == (-1, 1)
    assert paired.bca([-1.0, 0.0, 1.0], 0.90, 20_000, seed=0) == pytest.approx((-2 / 3, 2 / 3))


@RELAXED
@given(quarters, st.integers(0, 3))
def test_the_bootstrap_turns_with_the_sign_and_moves_with_the_values(values: list[float], seed: int) -> None:
    low, high = paired.bca(values, 0.95, 500, seed)
    assert min(values) - 1e-12 <= low <= high <= max(values) + 1e-12
    assert paired.bca([-value for value in values], 0.95, 500, seed) == pytest.approx((-high, -low))
    assert paired.bca([value + 0.1 for value in values], 0.95, 500, seed) == pytest.approx((low + 0.1, high + 0.1))


def test_the_bootstrap_at_its_ends() -> None:
    """Equal values; one resample, which is above or below the mean; a level so high that the correction has a pole."""
    assert paired.bca([0.1] * 5, 0.95, 1000, seed=0) == (0.1, 0.1)
    assert all(map(math.isfinite, paired.bca([0.0, 0.0, 0.0, 9.0], 0.95, 1, seed=0)))
    low, high = paired.bca([0.0] * 19 + [20.0], 1 - 1e-12, 1000, seed=0)
    assert low <= 1 < 3 < high
