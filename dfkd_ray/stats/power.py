"""What a number of pairs can tell: the power of the two-sided paired t test, before anything is run.

With a true effect d and paired values of standard deviation s, t of n pairs follows the noncentral t distribution with
n - 1 degrees of freedom and noncentrality d sqrt(n) / s (Cohen, 1988). `effects=m` asks for the worst case of Holm's
rule over m effects: the first step, tested at (1 - level) / m.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable

from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import MIN_PAIRS, Outcomes, differences


def smallest_effect(pairs: int, spread: float, level: float = 0.95, power: float = 0.8, effects: int = 1) -> float:
    """The smallest true effect that so many pairs detect with probability `power`; inf below 3 pairs.

    `spread`: standard deviation of the paired values, in units of the metric, as is what comes back.
    """
    from scipy.optimize import brentq

    risk = _risk(spread, level, power, effects)
    if pairs < MIN_PAIRS:
        return math.inf
    far = 1.0
    while _power(far, pairs, risk) < power:
        far *= 2
    shift = brentq(lambda shift: _power(shift, pairs, risk) - power, 0.0, far)
    return float(shift) * spread / math.sqrt(pairs)


def pairs_needed(effect: float, spread: float, level: float = 0.95, power: float = 0.8, effects: int = 1) -> int:
    """The fewest pairs (3 or more) that detect a true effect of this size, of either sign, with probability `power`."""
    risk = _risk(spread, level, power, effects)
    if not effect or not math.isfinite(effect):
        raise ValueError(f"effect must be a number other than 0, got {effect:g}")
    if spread == 0:
        return MIN_PAIRS

    def enough(pairs: int) -> bool:
        return _power(effect / spread * math.sqrt(pairs), pairs, risk) >= power

    most = MIN_PAIRS
    while not enough(most):
        most *= 2
    return MIN_PAIRS + bisect.bisect_left(range(MIN_PAIRS, most), True, key=enough)


def power_of(pairs: int, effect: float, spread: float, level: float = 0.95, effects: int = 1) -> float:
    """The probability with which so many pairs (3 or more) detect a true effect of this size, of either sign."""
    return _power(effect / spread * math.sqrt(pairs), pairs, (1 - level) / effects)


def spread(outcomes: Outcomes, contrasts: Iterable[Contrast]) -> float | None:
    """Standard deviation of the paired difference of two arms, pooled over contrasts of earlier trials.

    A contrast of more arms is brought to the scale of two, see `scale`. Contrasts that are 0 in every pair compare a
    method with itself and are left out. None where nothing is left with 2 pairs.
    """
    squares, degrees = 0.0, 0
    for contrast in contrasts:
        values = differences(contrast.weights, outcomes)
        if len(values) > 1 and any(values):
            mean = math.fsum(values) / len(values)
            squares += math.fsum((value - mean) ** 2 for value in values) / scale(contrast) ** 2
            degrees += len(values) - 1
    return math.sqrt(squares / degrees) if degrees else None


def scale(contrast: Contrast) -> float:
    """Spread of this contrast, as a multiple of that of two arms: sqrt(sum_a w_a^2 / 2), for arms of equal spread.

    A main effect of a full factorial of 8 arms has 1/2: `smallest_effect(pairs, spread * scale(contrast))`.
    """
    return math.sqrt(math.fsum(weight**2 for weight in contrast.weights.values()) / 2)


def _power(shift: float, pairs: int, risk: float) -> float:
    """Probability that |t| exceeds its critical value when t has noncentrality `shift`.

    From t^2, which follows the noncentral F(1, n - 1): scipy's noncentral t has nan in its far tail, and statsmodels'
    `TTestPower`, which is made of that, then solves for another number without a word (of 3 pairs and 2 effects 4.3
    standard deviations for a power of 0.99, where 7.9 are needed).
    """
    from scipy.special import ncfdtr, stdtrit

    critical = float(stdtrit(pairs - 1, risk / 2))
    return 1 - float(ncfdtr(1, pairs - 1, shift**2, critical**2))


def _risk(spread: float, level: float, power: float, effects: int) -> float:
    """The level of one test, after all arguments have been looked at."""
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level:g}")
    if not 1 - level < power < 1:
        raise ValueError(f"power must be between {1 - level:g} and 1, got {power:g}")
    if not (spread >= 0 and math.isfinite(spread)):
        raise ValueError(f"spread must be >= 0, got {spread:g}")
    if effects < 1:
        raise ValueError(f"effects must be >= 1, got {effects}")
    return (1 - level) / effects
