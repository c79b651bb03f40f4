from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.stats.front import Points, best, dominates, front


@pytest.mark.parametrize(
    ("a", "b", "does"),
    [
        ([1.0, 1.0], [1.0, 1.0], False),
        ([1.0, 2.0], [1.0, 1.0], True),
        ([2.0, 0.0], [1.0, 1.0], False),
        ([1.0, 1.0], [1.0, 2.0], False),
    ],
)
def test_a_point_dominates_where_it_is_nowhere_worse_and_somewhere_better(
    a: list[float], b: list[float], does: bool
) -> None:
    assert dominates(a, b) is does


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
