"""Whether a setting that has been run with some of its seeds may still come out ahead of the best one so far.

All settings have the same seeds, so they are compared pair by pair. Values are taken as setting + seed + noise, the
noise normal of one spread, which is pooled over all settings that have every seed (the residual of that layout in two
ways; a difference of one pair alone tells nothing of it). By k of S seeds a setting is ahead of the best by d on
average; by all S it then will be by d, give or take Student's t times noise * sqrt(2 (1/k - 1/S)), about whose truth
nothing is known before. Where the upper end of that, at a one-sided `risk`, is below 0 it is no more run.

A race as in F-Race (Birattari et al., 2002: A racing algorithm for configuring metaheuristics) and in irace with its
t test (Lopez-Ibanez et al., 2016), where one value a setting is compared at each step; but those begin to test after
five instances, and ranks of three seeds are never told apart at 5 % (the exact signed-rank test of n pairs has no p
below 2^-n). `python -m benchmarks racing` measures how often the setting that would have won is left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Pooled:
    """Standard deviation of a run about its setting and its seed, and the degrees of freedom that it was told with."""

    deviation: float
    free: int


class Residuals:
    """Adds up, setting by setting, how far values scatter about setting + seed."""

    def __init__(self) -> None:
        self._count, self._squares = 0, 0.0  # of deviations from the mean of their setting
        self._sums: list[float] = []  # of the same, by seed

    def add(self, values: Sequence[float]) -> None:
        """A setting's values, one for each of the same seeds."""
        middle = math.fsum(values) / len(values)
        apart = [value - middle for value in values]
        self._count += 1
        self._squares += math.fsum(each**2 for each in apart)
        self._sums = [total + each for total, each in zip(self._sums or [0.0] * len(apart), apart)]

    @property
    def noise(self) -> Pooled | None:
        """None where fewer than two settings, or seeds, tell none."""
        if self._count < 2 or len(self._sums) < 2:
            return None
        free = (self._count - 1) * (len(self._sums) - 1)
        of_seeds = math.fsum(total**2 for total in self._sums) / self._count
        return Pooled(math.sqrt(max(0.0, self._squares - of_seeds) / free), free)


def most_ahead(ahead: Sequence[float], seeds: int, found: Pooled, risk: float) -> float:
    """By how much a setting will be ahead of another at most, over all `seeds`: higher is better.

    ahead: by how much it is, in each of the seeds that it has been run with, one or more.
    """
    from scipy.special import stdtrit

    if not risk:
        return math.inf
    done = len(ahead)
    error = found.deviation * math.sqrt(2 * (1 / done - 1 / seeds))
    return math.fsum(ahead) / done - float(stdtrit(found.free, risk)) * error
