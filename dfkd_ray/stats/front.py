"""Which points are best in several numbers at once: the Pareto front, and the one rule that names a single winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

Points = Mapping[int, Sequence[float]]  # a key, such as a trial's number -> its values, higher is better in each


def front(points: Points) -> list[int]:
    """The keys of all that no other dominates, in the order of the points; equal points stand on it together.

    A point dominates another where it is nowhere worse and somewhere better. What dominates a point comes before it
    where points are sorted by all their values, and is itself on the front or dominated from there: so each point is
    compared with the front that was found before it alone, all at once.
    """
    if not points:
        return []
    values = np.array(list(points.values()), dtype=float)
    found = np.empty_like(values)
    keep = np.zeros(len(values), dtype=bool)
    count = 0
    for place in np.lexsort(-values.T[::-1]):
        own, known = values[place], found[:count]
        if not ((known >= own).all(1) & (known > own).any(1)).any():
            found[count], keep[place] = own, True
            count += 1
    return [key for key, on in zip(points, keep) if on]


def best(points: Points) -> int | None:
    """The key of the best by the first value, later ones break ties, then the lower key; None where there is none."""
    return min(points, key=lambda key: ([-value for value in points[key]], key), default=None)
