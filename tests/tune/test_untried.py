"""What is left to try is what was never taken, by value and not by type or order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.study.domains import Bool, Choice, Int, Uniform
from dfkd_ray.study.space import enumerate_grid
from dfkd_ray.tune.untried import Untried

SPACE = {"b": Bool(), "c": Choice((1, True, {"k": 1}), when={"b": (True,)}), "n": Int(1, 2)}


@given(st.lists(st.integers(0, 7), max_size=12), st.integers(0, 9))
def test_what_is_left_is_what_was_not_taken(taken: list[int], seed: int) -> None:
    every = enumerate_grid(SPACE)
    assert len(every) == 8
    untried = Untried(SPACE)
    for number in taken:
        untried.take(dict(reversed(every[number].items())))
    left = [point for number, point in enumerate(every) if number not in taken]
    assert [point for point in every if point in untried] == left
    assert untried.none == (not left)
    if left:
        assert untried.any(seed) in left
        assert untried.any(seed) == untried.any(seed)


def test_of_a_range_what_was_taken_is_known_and_what_is_left_is_not() -> None:
    untried = Untried({"x": Uniform(0, 1, points=2)})
    untried.take({"x": 0.5})
    assert {"x": 0.5} not in untried
    assert {"x": 0.25} in untried
    assert not untried.none
    assert untried.any(0) is None
