"""The hypervolume against counting cells, Optuna's own, and what must hold of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from optuna._hypervolume import compute_hypervolume

from dfkd_ray.stats.hypervolume import box, gained, volume

CELLS = st.lists(st.tuples(*[st.integers(0, 4)] * 3), min_size=1, max_size=8)


def counted(points: Sequence[Sequence[int]]) -> int:
    """Unit cells below any of the points."""
    sides = [range(max(own) or 1) for own in zip(*points)]
    return sum(any(all(c < x for c, x in zip(cell, own)) for own in points) for cell in itertools.product(*sides))


@given(CELLS, st.integers(2, 3))
def test_a_volume_is_the_cells_below_its_points(points: list[tuple[int, ...]], count: int) -> None:
    own = [point[:count] for point in points]
    assert volume(np.array(own, float)) == pytest.approx(counted(own))


@pytest.mark.parametrize("objectives", [2, 3, 4])
def test_a_volume_is_that_of_optuna(objectives: int) -> None:
    points = np.random.default_rng(objectives).random((20, objectives))
    assert volume(points) == pytest.approx(compute_hypervolume(-points, np.zeros(objectives)))


def test_the_reference_point_is_a_tenth_behind_the_worst() -> None:
    assert box({3: [0.0, 4.0], 5: [1.0, 2.0]}) == ([-0.1, 1.8], [1.0, 4.0])
    # The first has 0.1 of 1.1 in width and all of the height, the second all of the width and 0.2 of 2.2 in height.
    one, both = 0.1 / 1.1, 2 * 0.1 / 1.1 - (0.1 / 1.1) ** 2
    assert gained({3: [0.0, 4.0], 5: [1.0, 2.0]}) == pytest.approx({3: one, 5: both})


@given(st.lists(st.tuples(st.integers(-3, 3), st.integers(-3, 3), st.integers(0, 0)), min_size=1, max_size=10))
def test_what_is_gained_never_falls_and_the_order_of_points_does_not_matter(points: list[tuple[int, ...]]) -> None:
    told = gained({number: [float(value) for value in own] for number, own in enumerate(points)})
    steps = list(told.values())
    assert list(told) == list(range(len(points)))
    assert all(0 < a <= b <= 1 for a, b in itertools.pairwise([steps[0], *steps]))
    turned = gained({number: [float(value) for value in own] for number, own in enumerate(reversed(points))})
    assert steps[-1] == pytest.approx([*turned.values()][-1])


def test_nothing_has_no_volume_and_one_point_all_of_its_box() -> None:
    assert gained({}) == {}
    assert gained({4: [0.5, -2.0]}) == {4: 1.0}
