"""One rule for verdicts: which comparisons of a family are told apart, and the intervals that say the same.

A comparison is the mean d of n paired values whose standard deviation is s. With three or five pairs a small s is as
often luck as truth, and to ask for t of two degrees of freedom at a fifteenth of 5 % is to tell nothing. But the arms
of one study are relatives: so in t = d sqrt(n) / s, no s counts for less than a share of the widest one of its family.
That guarded t is the smaller of the two, and it needs far less for the number of comparisons, since a family in which
some arm is wide guards all others: at worst, whatever the arms' spreads, it errs as often as `comparisons` comparisons
of plain t do, found by simulation (`python -m benchmarks verdicts --calibrate`), and is held to be as bad as 2.2 (three
pairs) to 2.4 (five) at least: for skewed values, of which plain t errs in 7 % of studies. A twentieth of the level is
left to plain t under Bonferroni's rule, for narrow comparisons beside a very wide one.

The rule steps down as Holm's (1979): the most certain one is judged among m, the next among m - 1, and so on; of two
true hypotheses none is judged among fewer than both, so the chance of any false verdict keeps its bound. Intervals are
those of the step at which it stopped. `python -m benchmarks verdicts` measures both, also for skewed and bounded arms.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

SHARE = 0.95  # of the level: of the guarded t; the rest is that of the plain one
_FAMILY = (1, 2, 4, 8, 16, 32, 64)  # comparisons
_COUNTED = {  # pairs -> as many comparisons of plain t as a family of so many counts for, at worst; simulated
    3: (1, 2, 2.2, 2.2, 2.2, 2.2, 2.3),
    4: (1, 2, 2.3, 2.3, 2.6, 2.9, 3.1),
    5: (1, 2, 2.4, 2.4, 2.7, 2.9, 3.2),
    6: (1, 2, 2.4, 3.1, 3.7, 4.3, 4.8),
    8: (1, 2, 3.0, 4.4, 6.2, 7.9, 9.4),
    10: (1, 2, 3.3, 5.3, 8.2, 12, 17),
    15: (1, 2, 3.8, 7.1, 14, 22, 34),
    25: (1, 2, 4.0, 8.0, 16, 32, 64),
}


@dataclass(frozen=True)
class Comparison:
    """Mean and standard deviation (n - 1) of the paired values of a contrast, n of them, 2 or more.

    scale: the spread of this contrast as a multiple of that of two arms, see `Contrast.scale`.
    signs: the p value of the exact signed-rank test, which judges where the whole family has no spread at all.
    """

    mean: float
    deviation: float
    pairs: int
    scale: float = 1.0
    signs: float = 1.0


class Judged(NamedTuple):
    """The adjusted p value, and half the width of the interval, which excludes 0 exactly where p is below 1 - level.

    half: None where the whole family has no spread to measure by.
    """

    p: float
    half: float | None


def judge(family: Sequence[Comparison], level: float) -> list[Judged]:
    """The verdict on each comparison of a family, in their order; the chance of any false one is 1 - level."""
    widest = max((each.deviation / each.scale for each in family), default=0.0)
    chances = [_chances(each, widest) for each in family]
    left, highest, told = set(range(len(family))), 0.0, 0
    adjusted: dict[int, float] = {}
    while left:
        now = {i: _among(len(left), family[i].pairs, *chances[i]) for i in sorted(left)}
        first = min(now, key=now.__getitem__)
        adjusted[first] = highest = max(highest, min(1.0, now[first]))
        told += highest < 1 - level
        left.remove(first)
    step = max(1, len(family) - told)
    return [Judged(adjusted[i], _half(each, widest, step, 1 - level)) for i, each in enumerate(family)]


@functools.lru_cache(maxsize=65536)
def comparisons(pairs: int, family: int) -> float:
    """How many comparisons of plain t a family of guarded ones is as bad as, at worst: from 1 to the family's size."""
    import numpy as np

    at = [np.interp(math.log(family), np.log(_FAMILY), np.log(row)) for row in _COUNTED.values()]
    counted = math.exp(np.interp(math.log(pairs), np.log(list(_COUNTED)), at)) * max(1.0, family / _FAMILY[-1])
    return min(float(family), max(1.0, counted))


def guard(pairs: int) -> float:
    """The share of the family's widest spread that a spread counts for at least: 0.3 with 3 pairs, 1/2 from 5 on.

    The larger it is the fewer comparisons count; the smaller, the less a wild arm costs the others.
    """
    return min(0.5, pairs / 10)


def _chances(one: Comparison, widest: float) -> tuple[float | None, float | None]:
    """p of the guarded t and of the plain one; None where there is no spread. Without any, the signs judge."""
    from scipy.special import stdtr

    guarded, plain = (
        2 * float(stdtr(one.pairs - 1, -abs(one.mean / error))) if error else None for error in _errors(one, widest)
    )
    return guarded, plain if guarded is not None else one.signs


def _among(count: int, pairs: int, guarded: float | None, plain: float | None) -> float:
    """The p value of a comparison among so many that are left to judge."""
    if guarded is None:
        return count * (plain or 0.0)
    if count == 1 and plain is not None:
        return plain
    counted = comparisons(pairs, count) * guarded / SHARE
    return counted if plain is None else min(counted, count * plain / (1 - SHARE))


def _half(one: Comparison, widest: float, count: int, risk: float) -> float | None:
    """Half the width of the interval among so many."""
    guarded, plain = _errors(one, widest)
    if not one.mean and not one.deviation:
        return 0.0  # a method against itself
    if not guarded:
        return None
    if count == 1 and plain:
        return _quantile(one.pairs, risk) * plain
    half = _quantile(one.pairs, risk * SHARE / comparisons(one.pairs, count)) * guarded
    return min(half, _quantile(one.pairs, risk * (1 - SHARE) / count) * plain) if plain else half


def _errors(one: Comparison, widest: float) -> tuple[float, float]:
    """The standard error as the guarded t has it, and as the plain one."""
    root = math.sqrt(one.pairs)
    return max(one.deviation, guard(one.pairs) * widest * one.scale) / root, one.deviation / root


@functools.lru_cache(maxsize=4096)
def _quantile(pairs: int, risk: float) -> float:
    """What |t| exceeds with this probability."""
    from scipy.special import stdtrit

    return -float(stdtrit(pairs - 1, risk / 2))
