from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.stats.front import Points, best, front


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
