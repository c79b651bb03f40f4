"""What a tally keeps up is what would be counted anew."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray.stats import front
from dfkd_ray.tune.tally import Tally

RELAXED = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
few = st.integers(0, 3).map(float)


@RELAXED
@given(st.integers(1, 3).flatmap(lambda n: st.lists(st.lists(few, min_size=n, max_size=n), max_size=20)), st.randoms())
def test_best_and_front_are_those_of_all_points_in_whichever_order_they_come(
    points: list[list[float]], random: object
) -> None:
    order = list(range(len(points)))
    random.shuffle(order)  # type: ignore[attr-defined]
    tally = Tally()
    for number in order:
        tally.completed(number, points[number])
    everything = dict(enumerate(points))
    assert tally.best == front.best(everything)
    assert sorted(tally.front) == sorted(front.front(everything))


ends = st.tuples(
    st.sampled_from(["complete", "pruned", "failed"]), st.integers(0, 4), st.sampled_from(["x\na", "x\nb", "y"])
)


@RELAXED
@given(st.lists(ends, max_size=12), st.sets(st.integers(0, 11)))
def test_counts_paces_and_failures(told: list[tuple[str, int, str]], again: set[int]) -> None:
    tally = Tally()
    for number, (state, epochs, reason) in enumerate(told):
        tally.begun(number)
        tally.ended(number, state, reason if state == "failed" else None, epochs, 2.0 * epochs * (number + 1))
    reopened = {number for number in again if number < len(told) and told[number][0] == "failed"}
    for number in reopened:
        tally.reopened(number, told[number][2], told[number][1], 2.0 * told[number][1] * (number + 1))
    left = {number: each for number, each in enumerate(told) if number not in reopened}
    for state in ("complete", "pruned", "failed"):
        assert tally.states[state] == sum(each[0] == state for each in left.values())
    assert (tally.running, tally.states["running"]) == (reopened, len(reopened))
    assert list(tally.paces) == [2.0 * (number + 1) for number, each in left.items() if each[1]]
    assert tally.epochs == sum(epochs for state, epochs, _ in left.values() if state != "failed")
    alike = {state if state != "failed" else reason[0] for state, _, reason in left.values()}
    assert tally.failing_alike == (len(left) if alike in ({"x"}, {"y"}) else 0)
