"""Which of a few settings is the best, by seeds that none of them was chosen with, and how sure that is.

The best of a search is flattered: of many settings the one that was lucky wins (the winner's curse). So the best few
run again with fresh seeds, the same for all. Their order is that of their means over the seeds in which each has a
value. Intervals are Student's at 1 - (1 - level) / k for k settings: by Bonferroni's inequality all k hold together
with probability `level`, hence also that of the one which is picked for being first.

The probability of being the best is a posterior: values are y = setting + seed + noise, the noise normal of one spread,
about which nothing is known before; settings are exchangeable, normal around their mean, with a spread of their own.
How far their differences shrink, B = noise / (noise + spread), is uniform before (Strawderman, 1971), and integrated
over, as the noise is. Without the shrinkage settings that are alike would be told apart too often, since the first of
k is first by luck as well. `python -m benchmarks winner` measures what both are worth.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from dfkd_ray.stats import paired
from dfkd_ray.stats.effects import LARGEST, Mode, Outcomes, Pair

_NODES = 28  # of each integral


@dataclass(frozen=True)
class Contender:
    """A setting on fresh seeds, beside others. None: what cannot be said.

    n: seeds that count, those in which every setting has a value. lost: seeds in which this one has none. best: the
    probability that it is the best of them.
    """

    name: str
    n: int
    lost: int
    mean: float | None = None
    error: float | None = None
    low: float | None = None
    high: float | None = None
    best: float | None = None


def ranked(outcomes: Outcomes, mode: Mode) -> list[str]:
    """The settings, the best first; of equals in the order given, those without any value last."""
    values = common(outcomes)
    means = {name: math.fsum(own.values()) / len(own) if own else None for name, own in values.items()}
    sign = -1.0 if mode == "max" else 1.0
    return sorted(outcomes, key=lambda name: math.inf if (mean := means[name]) is None else sign * mean)


def fresh(outcomes: Outcomes, mode: Mode, level: float = 0.95) -> list[Contender]:
    """What each setting came to, the best first. None in `outcomes`: it failed, or does not count."""
    values, order = common(outcomes), ranked(outcomes, mode)
    known = [name for name in order if values[name]]
    chances = _chances([list(values[name].values()) for name in known], mode)
    found = []
    for name in order:
        mean = paired.mean(list(values[name].values()), 1 - (1 - level) / max(1, len(known)))
        lost = sum(not _sound(value) for value in outcomes[name].values())
        best = dict(zip(known, chances)).get(name)
        found.append(Contender(name, mean.n, lost, mean.mean, mean.error, mean.low, mean.high, best))
    return found


def common(outcomes: Outcomes) -> dict[str, dict[Pair, float]]:
    """Of each setting the values in the pairs that all of them have, those without any aside; where they share no pair,
    all values."""
    sound = {name: {p: v for p, v in own.items() if v is not None and _sound(v)} for name, own in outcomes.items()}
    there = [set(own) for own in sound.values() if own]
    shared = sorted(set.intersection(*there)) if there else []
    return {name: {p: own[p] for p in shared} if own and shared else own for name, own in sound.items()}


def _sound(value: float | None) -> bool:
    return value is not None and abs(value) <= LARGEST


def _chances(values: list[list[float]], mode: Mode) -> Iterable[float | None]:
    """Of each setting, the best first, the probability of being the best; None where nothing tells the noise."""
    import numpy as np

    count, seeds = len(values), min(map(len, values), default=0)
    if count == 1:
        return [1.0]
    if seeds < 2 or any(len(own) != seeds for own in values):
        return [None] * count
    y = np.asarray(values) * (1.0 if mode == "max" else -1.0)
    means = y.mean(axis=1)
    rest = y - means[:, None] - y.mean(axis=0) + y.mean()
    free = (count - 1) * (seeds - 1)
    noise, between = float((rest**2).sum()) / free, seeds * float(((means - means.mean()) ** 2).sum())
    if noise <= 1e-18 * max(1.0, float(np.abs(y).max()) ** 2):  # without any noise the first is the best
        first = np.isclose(means, means.max(), rtol=1e-9, atol=0.0)
        return [float(share) for share in first / first.sum()]
    return _posterior(means / math.sqrt(noise / seeds), between / noise, free)


def _posterior(means: object, between: float, free: int) -> list[float]:
    """The same of means in units of their standard error, higher is better; between: their sum of squares in it."""
    import numpy as np
    from scipy.special import gammaincinv, ndtr

    middle = (np.arange(_NODES) + 0.5) / _NODES
    scale = free / (2 * gammaincinv(free / 2, middle))  # of the noise's variance over its estimate
    z, height = np.polynomial.hermite_e.hermegauss(_NODES)
    at = np.asarray(means)
    gaps = at[:, None] - at[None, :]
    power, ratio = (len(at) - 1) / 2, middle[None, :] / scale[:, None]
    log = power * np.log(ratio) - ratio * between / 2
    weights = np.exp(log - log.max())
    reach = np.sqrt((1 - middle[None, :]) / scale[:, None])
    found = []
    for i in range(len(at)):
        ahead = np.ones((*reach.shape, _NODES))
        for j in range(len(at)):
            if j != i:
                ahead *= ndtr(z + (reach * gaps[i, j])[..., None])
        found.append(float((weights * (ahead @ height)).sum()))
    return [each / sum(found) for each in found]


def curse(won: float, again: Contender, mode: Mode) -> Mapping[str, float | None]:
    """By how much the value that won flatters: it minus the fresh mean, above 0 where it was too good, and the ends."""
    sign = 1.0 if mode == "max" else -1.0
    ends = [None if end is None else sign * (won - end) for end in (again.mean, again.low, again.high)]
    low, high = ends[1:] if mode == "min" else ends[:0:-1]
    return {"value": ends[0], "low": low, "high": high}
