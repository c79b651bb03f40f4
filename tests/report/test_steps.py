"""Curves as columns, against a dictionary of dictionaries."""

from __future__ import annotations

import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.report.steps import coded, curves, named
from dfkd_ray.util.tables import STEPS

METRICS = ["val_accuracy", "diversity", None]
ROW = st.tuples(
    st.one_of(st.none(), st.integers(0, 4)),
    st.one_of(st.none(), st.integers(1, 5)),
    st.sampled_from(METRICS),
    st.one_of(st.none(), st.sampled_from([math.nan, math.inf, 0.0, -1.5, 0.25, 3.0])),
)


def table(rows: list[tuple[Any, ...]], cut: int) -> pa.Table:
    """Rows in two batches, cut anywhere."""
    made = pa.Table.from_pylist([dict(zip(("trial", "epoch", "metric", "value"), row)) for row in rows], STEPS)
    return pa.concat_tables([made.slice(0, cut), made.slice(cut)])


@settings(deadline=None)
@given(st.lists(ROW, max_size=30), st.integers(0, 30))
def test_curves_are_the_finite_values_and_the_later_of_two_counts(rows: list[tuple[Any, ...]], cut: int) -> None:
    steps = table(rows, cut)
    as_numbers = pa.Table.from_batches([coded(b) for b in steps.to_batches()]) if rows else steps
    for metric in ("val_accuracy", "diversity", "missing"):
        wanted: dict[int, dict[int, float]] = {}
        for trial, epoch, name, value in rows:
            if name == metric and None not in (trial, epoch, value) and math.isfinite(value):
                wanted.setdefault(trial, {})[epoch] = value
        for each in (steps, as_numbers):
            found = curves(each, metric)
            assert {n: dict(own) for n, own in found.items()} == wanted
            assert all(list(own) == sorted(own) for own in found.values())
            assert {n: found.last(n) for n in found} == {n: (max(own), own[max(own)]) for n, own in wanted.items()}
            for trial in range(6):
                for epoch in (None, *range(7)):
                    assert found.at(trial, epoch) == wanted.get(trial, {}).get(epoch)
    assert named(steps) == {name for *_, name, _ in rows if name is not None}


def test_a_trial_that_is_not_there_has_no_curve() -> None:
    found = curves(table([(1, 1, "diversity", 0.5)], 0), "diversity")
    assert (1 in found, 2 in found, len(found)) == (True, False, 1)
    with pytest.raises(KeyError):
        found[2]
