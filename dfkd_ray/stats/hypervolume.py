"""How much a front has gained: the hypervolume, the part of a box that its points dominate (Zitzler and Thiele, 1998).

The box goes from a reference point to the ideal point. The rule of both, `box`: the ideal point has the best value of
each objective over all points; the reference point lies behind the worst value over all points, by a tenth of the way
from worst to best, so that the ends of a front count as well (Ishibuchi et al., 2018, on where to put it). The box is
that of the last state: a study that goes on may move it, and volumes compare within one box alone.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from dfkd_ray.stats.front import Points

BEHIND = 0.1  # of the range, from the worst value to the reference point


def box(points: Points) -> tuple[list[float], list[float]]:
    """The reference point and the ideal point of all points, higher is better in each value."""
    values = np.array(list(points.values()), dtype=float)
    low, high = values.min(0), values.max(0)
    return [float(each) for each in low - BEHIND * (high - low)], [float(each) for each in high]


def gained(points: Points) -> dict[int, float]:
    """After each point, in their order, the share of the box that all until then dominate: 0 to 1, and never less."""
    if not points:
        return {}
    reference, ideal = (np.array(each) for each in box(points))
    span = np.where(ideal > reference, ideal - reference, 1.0)
    there = np.empty((0, len(span)))
    total, found = 0.0, {}
    for key, values in points.items():
        own = np.where(ideal > reference, (np.array(values, dtype=float) - reference) / span, 1.0)
        if not (there >= own).all(1).any():
            total += _alone(own, there)
            there = np.vstack([there[~(there <= own).all(1)], own])
        found[key] = min(total, 1.0)
    return found


def volume(points: Any) -> float:
    """What points (N, M) dominate together, from the origin on.

    Of two values the area under a staircase; of more, of each point what no later one has (the algorithm WFG of While,
    Bradstreet and Barone, 2012).
    """
    if points.shape[1] == 2:
        x, y = points[np.argsort(-points[:, 0])].T
        return float((-np.diff(x, append=0.0) * np.maximum.accumulate(y)).sum())
    kept = _front(points)
    return sum(_alone(own, kept[place + 1 :]) for place, own in enumerate(kept))


def _alone(own: Any, others: Any) -> float:
    """What a point (M,) dominates and none of the others (N, M) does."""
    whole = float(np.prod(own))
    return whole if not len(others) else max(0.0, whole - volume(np.minimum(others, own)))


def _front(points: Any) -> Any:
    """Those of points (N, M) that no other dominates, each once, from the last to the first by their first value."""
    unique = np.unique(points, axis=0)[::-1]
    covered = (unique[:, None] >= unique[None]).all(2)  # [i, j]: i is nowhere worse than j
    return unique[covered.sum(0) == 1]
