"""Ranks are in order at every epoch, whichever way rows come."""

from __future__ import annotations

import math
from collections.abc import Sequence

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray.tune.ranks import Ranks

RELAXED = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
rows = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6), st.floats(-9, 9) | st.just(math.nan)), max_size=60)


def total(epoch: int, values: Sequence[float]) -> float | None:
    """Of odd epochs: so that some have no ranks, and a value that comes late changes later ones."""
    return math.fsum(values) if epoch % 2 else None


@RELAXED
@given(rows=rows, sign=st.sampled_from([1.0, -1.0]), asked=st.integers(0, 5), forgotten=st.integers(0, 5))
def test_they_are_those_of_all_curves_as_they_stand(
    rows: list[tuple[int, int, float]], sign: float, asked: int, forgotten: int
) -> None:
    ranks = Ranks(total, sign)
    curves: dict[int, dict[int, float]] = {}
    for i, (trial, epoch, value) in enumerate(rows):
        if epoch in curves.setdefault(trial, {}):
            continue
        curves[trial][epoch] = -math.inf if math.isnan(value) else sign * value
        ranks.take(trial, epoch, value)
        if asked and i % asked == 0:
            ranks.at(epoch)
    ranks.forget(forgotten)
    curves.pop(forgotten, None)
    for epoch in range(1, 7):
        there = [[v for e, v in sorted(curve.items()) if e <= epoch] for curve in curves.values() if epoch in curve]
        assert list(ranks.at(epoch)) == sorted(math.fsum(values) for values in there if epoch % 2)
    for trial, curve in curves.items():
        epochs, values = ranks.curve(trial)
        assert dict(zip(epochs, values)) == curve
        assert list(epochs) == sorted(curve)
