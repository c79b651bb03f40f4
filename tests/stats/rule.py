"""The rule of verdicts and its power, written again from its description: loops and scipy's distributions.

Taken from the code are the numbers alone that were simulated or chosen: for how many comparisons a family counts, the
share of the widest spread that every spread counts for, and the share of the level that the guarded t has.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats
from scipy.optimize import brentq

from dfkd_ray.stats.verdicts import SHARE, comparisons, guard

RISK = 0.05


def two_sided(mean: float, deviation: float, pairs: int) -> float:
    """p of the paired t test."""
    return float(2 * stats.t.sf(abs(mean) / deviation * math.sqrt(pairs), pairs - 1))


def verdicts_of(
    family: Sequence[Sequence[float]], risk: float = RISK, scales: Sequence[float] | None = None
) -> tuple[list[float], list[float]]:
    """Adjusted p and half widths of comparisons, each given by its paired values, which are not all equal."""
    scales = [1.0] * len(family) if scales is None else scales
    means, deviations = [np.mean(own) for own in family], [np.std(own, ddof=1) for own in family]
    widest = max(deviation / scale for deviation, scale in zip(deviations, scales))
    wider = [
        max(deviation, guard(len(own)) * widest * scale) for own, deviation, scale in zip(family, deviations, scales)
    ]

    def p(i: int, left: int) -> float:
        pairs = len(family[i])
        plain = two_sided(means[i], deviations[i], pairs)
        if left == 1:
            return plain
        guarded = two_sided(means[i], wider[i], pairs)
        return min(guarded * comparisons(pairs, left) / SHARE, plain * left / (1 - SHARE), 1.0)

    def half(i: int, among: int) -> float:
        pairs = len(family[i])
        if among == 1:
            return float(stats.t.isf(risk / 2, pairs - 1) * deviations[i] / math.sqrt(pairs))
        guarded = stats.t.isf(risk * SHARE / comparisons(pairs, among) / 2, pairs - 1) * wider[i]
        plain = stats.t.isf(risk * (1 - SHARE) / among / 2, pairs - 1) * deviations[i]
        return float(min(guarded, plain) / math.sqrt(pairs))

    adjusted, remaining, before = [0.0] * len(family), list(range(len(family))), 0.0
    while remaining:
        best = min(remaining, key=lambda i: p(i, len(remaining)))
        adjusted[best] = before = max(before, p(best, len(remaining)))
        remaining.remove(best)
    open_ones = sum(each >= risk for each in adjusted)
    return adjusted, [half(i, max(1, open_ones)) for i in range(len(family))]


def power_among(pairs: int, effect: float, risk: float, effects: int, points: int = 300) -> float:
    """With what probability an effect, in standard deviations, is told first among so many that scatter alike.

    By the mean over a grid of quantiles of its own spread and of the widest of all others; both are chi distributed.
    """
    degrees, share = pairs - 1, (np.arange(points) + 0.5) / points
    own = np.sqrt(stats.chi2.ppf(share, degrees) / degrees)[:, None]
    widest = np.sqrt(stats.chi2.ppf(share ** (1 / (effects - 1)), degrees) / degrees)[None, :]
    guarded = stats.t.isf(risk * SHARE / comparisons(pairs, effects) / 2, degrees)
    plain = stats.t.isf(risk * (1 - SHARE) / effects / 2, degrees)
    limit = np.minimum(guarded * np.maximum(own, guard(pairs) * widest), plain * own)
    return float(stats.norm.sf(limit - effect * math.sqrt(pairs)).mean())


def told_among(pairs: int, risk: float, effects: int) -> float:
    """The effect, in standard deviations, that is told so with probability 0.8."""
    return float(brentq(lambda effect: power_among(pairs, effect, risk, effects) - 0.8, 0.01, 50))
