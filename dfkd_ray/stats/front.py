"""Which points are best in several numbers at once: the Pareto front, and the one rule that names a single winner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Points = Mapping[int, Sequence[float]]  # a key, such as a trial's number -> its values, higher is better in each


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    """Whether `a` is nowhere worse than `b` and somewhere better."""
    return all(x >= y for x, y in zip(a, b)) and any(x > y for x, y in zip(a, b))


def front(points: Points) -> list[int]:
    """The keys of all that no other dominates, in the order of the points; equal points stand on it together."""
    return [key for key, own in points.items() if not any(dominates(other, own) for other in points.values())]


def best(points: Points) -> int | None:
    """The key of the best by the first value, later ones break ties, then the lower key; None where there is none."""
    return min(points, key=lambda key: ([-value for value in points[key]], key), default=None)
