"""Of many trials a sampler sees the best and an even sample of the rest, and of few all."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from dfkd_ray.tune.window import BEST, Window, left_out


@given(st.integers(0, 400), st.integers(1, 300), st.integers(0, 60))
def test_as_many_are_left_as_may_be_the_best_among_them(count: int, most: int, best: int) -> None:
    ended = list(range(0, 2 * count, 2))
    first = ended[::-1][:best]
    gone = left_out(ended, first, most) if count > most else set()
    assert len(gone) == max(0, count - most)
    assert not gone & set(first[: most // 2])
    assert gone <= set(ended)


def test_the_sample_of_the_rest_is_even() -> None:
    kept = sorted(set(range(1000)) - left_out(range(1000), [], 100))
    assert kept == list(range(0, 1000, 10))


def test_nothing_is_left_out_up_to_the_limit_nor_where_there_is_none() -> None:
    for most in (None, 300):
        window = Window([1.0], most)
        for number in range(300):
            window.ended(number, "complete", [0.1], 9)
        assert window.unseen() == set()


def test_the_best_are_complete_ones_by_value_then_stopped_ones_by_how_far_they_came() -> None:
    window = Window([-1.0], 300)
    for number in range(1000):
        state = "failed" if number % 10 == 9 else "complete" if number % 20 == 0 else "pruned"
        window.ended(number, state, None if state == "failed" else [float(number)], 1 if number < 500 else 2)
    kept = set(range(1000)) - window.unseen()
    assert {*range(0, 1000, 20)} <= kept, "all 50 that are complete"
    stopped = [n for n in range(500, 1000) if n % 10 != 9 and n % 20 != 0][: BEST - 50]
    assert {*stopped} <= kept
    assert len([n for n in kept if n % 10 != 9]) == 300


def test_of_several_objectives_the_front_is_seen() -> None:
    window = Window([1.0, -1.0], 200)
    for number in range(1000):
        on_front = number in (3, 500)
        window.ended(number, "complete", [1.0 + number / 1000, number / 1000] if on_front else [0.5, 5.0], 4)
    assert not window.unseen() & {3, 500}
    assert len(window.unseen()) == 800
