"""Which points are best in several numbers at once: the Pareto front, and the rules that name one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Points = Mapping[int, Sequence[float]]  # a key, such as a trial's number -> its values, higher is better in each


def front(points: Points) -> list[int]:
    """The keys of all that no other dominates, in the order of the points; equal points stand on it together.

    A point dominates another where it is nowhere worse and somewhere better. What dominates a point comes before it
    where points are sorted by all their values, and is itself on the front or dominated from there: so each point is
    compared with the front that was found before it alone, all at once.
    """
    if not points:
        return []
    import numpy as np

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


def knee(points: Points) -> int | None:
    """The key of the knee of a front: where giving up more of one value begins to cost more of the others.

    Each value is brought to 0 for its worst on the front and 1 for its best; the knee is the point with the largest
    sum, which is the one that lies furthest beyond the line (of more values the plane) through the ends (Das, 1999: On
    characterizing the "knee" of the Pareto curve), and the nearest to the ideal point by Manhattan distance (Chiu, Yen
    and Juan, 2016). None where nothing lies beyond it: of fewer than three points, or of a front that bends inwards.
    """
    if len(points) < 3:
        return None
    import numpy as np

    values = np.array(list(points.values()), dtype=float)
    low, high = values.min(0), values.max(0)
    sums = ((values - low) / np.where(high > low, high - low, 1.0)).sum(1)
    keys = list(points)
    sums[np.isclose(sums, 1.0)] = 1.0  # an end of two values is on the line, whatever rounding says
    most = {key: points[key] for key, total in zip(keys, sums) if total > 1.0 and total == sums.max()}
    return best(most)


def pick(points: Points, rule: str = "first", floors: Sequence[float | None] = ()) -> int | None:
    """The key that is taken of a front where one is asked for, None where none may be.

    first: `best`. knee: `knee`, or where there is none `best`. constraint: `best` of those that reach each of `floors`.
    """
    if rule == "knee" and (found := knee(points)) is not None:
        return found
    if rule == "constraint":
        points = {k: v for k, v in points.items() if all(f is None or x >= f for x, f in zip(v, floors))}
    return best(points)
