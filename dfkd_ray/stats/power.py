"""What a number of pairs can tell: the power of the rule of verdicts, before anything is run.

With a true effect d and paired values of standard deviation s, t of n pairs follows the noncentral t distribution with
n - 1 degrees of freedom and noncentrality d sqrt(n) / s (Cohen, 1988). `effects=m` asks for the rule's first step over
m effects (`verdicts.judge`), all as wide as this one: no formula is known, so it is drawn, always the same draws.
"""

from __future__ import annotations

import bisect
import functools
import math
from collections.abc import Iterable
from typing import Any

from dfkd_ray.stats import verdicts
from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import MIN_PAIRS, Outcomes, differences

DRAWS = 200_000  # studies that stand for all


def smallest_effect(pairs: int, spread: float, level: float = 0.95, power: float = 0.8, effects: int = 1) -> float:
    """The smallest true effect that so many pairs detect with probability `power`; inf below 3 pairs.

    `spread`: standard deviation of the paired values, in units of the metric, as is what comes back.
    """
    _check(spread, level, power, effects)
    if pairs < MIN_PAIRS:
        return math.inf
    shift = _alone(pairs, level, power) if effects == 1 else _first(pairs, level, power, effects)
    return shift * spread / math.sqrt(pairs)


def pairs_needed(effect: float, spread: float, level: float = 0.95, power: float = 0.8, effects: int = 1) -> int:
    """The fewest pairs (3 or more) that detect a true effect of this size, of either sign, with probability `power`."""
    _check(spread, level, power, effects)
    if not effect or not math.isfinite(effect):
        raise ValueError(f"effect must be a number other than 0, got {effect:g}")
    if spread == 0:
        return MIN_PAIRS

    def enough(pairs: int) -> bool:
        return smallest_effect(pairs, spread, level, power, effects) <= abs(effect)

    most = MIN_PAIRS
    while not enough(most):
        most *= 2
    return MIN_PAIRS + bisect.bisect_left(range(MIN_PAIRS, most), True, key=enough)


def power_of(pairs: int, effect: float, spread: float, level: float = 0.95, effects: int = 1) -> float:
    """The probability with which so many pairs (3 or more) detect a true effect of this size, of either sign."""
    shift = abs(effect) / spread * math.sqrt(pairs)
    return _power(shift, pairs, 1 - level) if effects == 1 else float((_needed(pairs, level, effects) <= shift).mean())


def smallest_lead(settings: int, spread: float, power: float = 0.8) -> float:
    """The smallest lead of the best of so many settings over all others with which it comes out first with probability
    `power`, where each is measured with noise of this standard deviation.

    Bechhofer, 1954 (A single-sample multiple decision procedure for ranking means of normal populations with known
    variances), for others that are equal, which is the hardest case: P = integral of phi(z) Phi(z + lead)^(k - 1).
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    z, weight = _normal()
    if settings < 2 or power <= 1 / settings:
        return 0.0
    return spread * float(brentq(lambda lead: weight @ ndtr(z + lead) ** (settings - 1) - power, 0.0, 100.0))


def flattery(settings: int, spread: float) -> float:
    """By how much the best of so many settings that are equal looks better than it is: the expected largest of so many
    normal numbers of this standard deviation."""
    from scipy.special import ndtr

    z, weight = _normal()
    return spread * settings * float(weight @ (z * ndtr(z) ** (settings - 1)))


def _normal() -> tuple[Any, Any]:
    """Where to look at a standard normal number, and with which weight."""
    import numpy as np

    z = np.linspace(-12, 12, 4801)
    return z, np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi) * (z[1] - z[0])


def spread(outcomes: Outcomes, contrasts: Iterable[Contrast]) -> float | None:
    """Standard deviation of the paired difference of two arms, pooled over contrasts of earlier trials.

    A contrast of more arms is brought to the scale of two, see `Contrast.scale`. Contrasts that are 0 in every pair
    compare a method with itself and are left out. None where nothing is left with 2 pairs.
    """
    residuals: list[float] = []
    degrees = 0
    for contrast in contrasts:
        values = differences(contrast.weights, outcomes)
        if len(values) > 1 and any(values):
            mean = math.fsum(values) / len(values)
            residuals += ((value - mean) / contrast.scale for value in values)
            degrees += len(values) - 1
    return math.hypot(*residuals) / math.sqrt(degrees) if degrees else None


def _alone(pairs: int, level: float, power: float) -> float:
    """The noncentrality at which plain t tells one effect so often."""
    from scipy.optimize import brentq

    far = 1.0
    while _power(far, pairs, 1 - level) < power:
        far *= 2
    return float(brentq(lambda shift: _power(shift, pairs, 1 - level) - power, 0.0, far))


def _first(pairs: int, level: float, power: float, effects: int) -> float:
    """The noncentrality at which the first of so many equally wide effects is told so often, with the right sign."""
    import numpy as np

    return float(np.quantile(_needed(pairs, level, effects), power))


@functools.lru_cache(maxsize=64)
def _needed(pairs: int, level: float, effects: int) -> Any:
    """The noncentrality that each of DRAWS studies would need to tell its effect among so many."""
    import numpy as np
    from scipy.special import chdtri, stdtrit

    rng, degrees, risk = np.random.default_rng(0), pairs - 1, 1 - level
    own, widest = rng.random((2, DRAWS))
    widest **= 1 / (effects - 1)  # of all others: the largest of so many uniform numbers
    own, widest = (np.sqrt(chdtri(degrees, 1 - u) / degrees) for u in (own, widest))
    guarded = np.maximum(own, verdicts.guard(pairs) * widest)
    by_guarded = -stdtrit(degrees, risk * verdicts.SHARE / verdicts.comparisons(pairs, effects) / 2) * guarded
    by_plain = -stdtrit(degrees, risk * (1 - verdicts.SHARE) / effects / 2) * own
    return np.minimum(by_guarded, by_plain) + rng.standard_normal(DRAWS)


def _power(shift: float, pairs: int, risk: float) -> float:
    """Probability that |t| exceeds its critical value when t has noncentrality `shift`.

    From t^2, which follows the noncentral F(1, n - 1): scipy's noncentral t has nan in its far tail, and statsmodels'
    `TTestPower`, which is made of that, then solves for another number without a word (of 3 pairs and 2 effects 4.3
    standard deviations for a power of 0.99, where 7.9 are needed).
    """
    from scipy.special import ncfdtr, stdtrit

    critical = float(stdtrit(pairs - 1, risk / 2))
    return 1 - float(ncfdtr(1, pairs - 1, shift**2, critical**2))


def _check(spread: float, level: float, power: float, effects: int) -> None:
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level:g}")
    if not 1 - level < power < 1:
        raise ValueError(f"power must be between {1 - level:g} and 1, got {power:g}")
    if not (spread >= 0 and math.isfinite(spread)):
        raise ValueError(f"spread must be >= 0, got {spread:g}")
    if effects < 1:
        raise ValueError(f"effects must be >= 1, got {effects}")
