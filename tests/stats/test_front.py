from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.stats.front import Points, best, front, knee, pick


@pytest.mark.parametrize(
    ("points", "on", "winner"),
    [
        ({}, [], None),
        ({7: [0.5]}, [7], 7),
        ({4: [0.5], 2: [0.5], 9: [0.4]}, [4, 2], 2),  # equals: both on the front, the lower number wins
        ({0: [0.5, 0.1], 1: [0.5, 0.3], 2: [0.5, 0.2]}, [1], 1),  # a tie in the first, which the second breaks
        ({5: [0.5, 0.3], 3: [0.5, 0.3], 1: [0.6, 0.1]}, [5, 3, 1], 1),  # duplicates stand on the front together
        ({0: [0.0, 0.0], 1: [-0.0, 0.0]}, [0, 1], 0),  # a zero has no sign
    ],
)
def test_ties_and_duplicates(points: Points, on: list[int], winner: int | None) -> None:
    assert (front(points), best(points)) == (on, winner)


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=12))
def test_the_best_is_on_the_front_and_every_other_point_is_beaten_by_one_of_it(values: list[tuple[int, ...]]) -> None:
    points = {number: [float(value) for value in own] for number, own in enumerate(values)}
    on = front(points)
    assert best(points) in on
    for number, other in itertools.product(points, on):
        assert not all(a >= b for a, b in zip(points[number], points[other])) or points[number] == points[other]
    for number in points.keys() - set(on):
        assert any(all(a >= b for a, b in zip(points[other], points[number])) for other in on)
    assert values.index(max(values)) == best(points), "tuples compare lexicographically, and index takes the first"


def dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(x >= y for x, y in zip(a, b)) and any(x > y for x, y in zip(a, b))


@given(st.lists(st.tuples(*[st.sampled_from([-1.0, -0.0, 0.0, 0.5, math.inf, math.nan])] * 3), max_size=15))
def test_the_front_is_what_all_pairs_say(values: list[tuple[float, ...]]) -> None:
    points = dict(enumerate(values))
    assert front(points) == [n for n, own in points.items() if not any(dominates(o, own) for o in points.values())]


def test_a_front_of_two_thousand_is_found_at_once() -> None:
    """Nobody beats anybody: the most that there is to compare."""
    points = {n: [float(n), float(-n)] for n in range(2_000)}
    assert front(points) == list(points)


@pytest.mark.parametrize(
    ("points", "found"),
    [
        ({}, None),
        ({0: [0.0, 1.0], 1: [1.0, 0.0]}, None),  # two ends and nothing between them
        ({0: [0.0, 1.0], 1: [0.6, 0.6], 2: [1.0, 0.0]}, 1),
        ({0: [0.0, 1.0], 1: [0.4, 0.4], 2: [1.0, 0.0]}, None),  # bends inwards
        ({0: [0.0, 1.0], 1: [0.5, 0.5], 2: [1.0, 0.0]}, None),  # straight
        ({0: [0.0, 100.0], 1: [0.006, 60.0], 2: [0.009, 35.0], 3: [0.01, 0.0]}, 2),  # whatever the units are
        ({7: [0.0, 1.0], 4: [0.6, 0.6], 2: [0.6, 0.6], 9: [1.0, 0.0]}, 2),  # of equals the lower number
        ({0: [1.0, 0.0, 0.0], 1: [0.0, 1.0, 0.0], 2: [0.0, 0.0, 1.0], 3: [0.5, 0.5, 0.4]}, 3),
    ],
)
def test_the_knee_lies_beyond_the_line_through_the_ends(points: Points, found: int | None) -> None:
    assert knee(points) == found


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=3, max_size=12, unique=True))
def test_the_knee_is_the_furthest_from_the_line_of_all(values: list[tuple[int, int]]) -> None:
    """Against the distance of a point from a line, worked out in the units that the points have."""
    points = {n: [float(value) for value in own] for n, own in enumerate(values)}
    points = {n: points[n] for n in front(points)}
    low, high = ([end(v[i] for v in points.values()) for i in (0, 1)] for end in (min, max))
    if len(points) < 3:
        return
    (x0, y0), (x1, y1) = (low[0], high[1]), (high[0], low[1])
    beyond = {n: (y - y0) * (x1 - x0) - (x - x0) * (y1 - y0) for n, (x, y) in points.items()}
    most = max(beyond.values())
    found = knee(points)
    assert found is None if most <= 0 else found is not None and beyond[found] == most


def test_one_of_a_front_is_taken_by_a_rule() -> None:
    points = {0: [0.0, 1.0], 1: [0.6, 0.6], 2: [1.0, 0.0]}
    assert [pick(points), pick(points, "first"), pick(points, "knee")] == [2, 2, 1]
    assert [pick(points, "constraint", [None, least]) for least in (None, 0.0, 0.5, 0.7, 2.0)] == [2, 2, 1, 0, None]
    straight = {0: [0.0, 1.0], 1: [1.0, 0.0]}
    assert pick(straight, "knee") == 1, "a front without a knee: the best by the first value"
    assert pick({}, "knee") is None
