"""Slices: each trial's place in the range of one setting, and a best one at its edge."""

from __future__ import annotations

import pytest

from dfkd_ray.report.charts.slices import Slices
from tests.report.studies import KD, MHAD, ORDER, noted, study, trial


def test_slices_leave_out_trials_without_the_setting() -> None:
    search = {ORDER: {"choice": [1, 2]}, "a.b": {"uniform": [0, 1], "when": {ORDER: [2]}}}
    rows = [trial(0, changes={ORDER: 1}), trial(1, changes={ORDER: 2, "a.b": 0.25})]
    drawn = Slices.prepare(study(rows, note=noted(search=search))).to_pylist()
    assert [(r["panel"], r["trial"], r["x"], r["said"]) for r in drawn] == [
        ("order", 0, 0.0, "1"),
        ("order", 1, 1.0, "2"),
        ("b", 1, 0.25, "0.25"),
    ]


@pytest.mark.parametrize(("weight", "edge"), [(99.0, "upper"), (0.11, "lower"), (3.0, None)])
def test_slices_warn_of_the_best_trial_at_the_edge_and_of_no_other(weight: float, edge: str | None) -> None:
    rows = [trial(0, changes={MHAD: weight}, objectives=[0.9]), trial(1, changes={MHAD: 100.0}, objectives=[0.1])]
    drawn = Slices.prepare(study(rows))
    assert [r["edge"] for r in drawn.to_pylist()] == [edge, None]
    warned = Slices.warnings(drawn)
    assert len(warned) == (edge is not None)
    assert all(f"the {edge} edge" in text and "weight" in text for text in warned)


def test_trials_of_one_option_are_set_apart_within_its_column_and_numbers_stand_where_they_are() -> None:
    search = {ORDER: {"choice": [1, 2]}, KD: {"uniform": [0, 10]}}
    rows = [trial(n, changes={ORDER: 2, KD: 4.0}, objectives=[0.1]) for n in range(8)]
    prepared = Slices.prepare(study(rows, note=noted(search=search)))
    options, numbers = (
        Slices.draw(prepared.filter([path == each for path in prepared["path"].to_pylist()])) for each in search
    )
    own = [x for mark in options.data for x in mark.x]
    assert len(set(own)) == 8
    assert all(0.5 < x < 1.5 for x in own)
    assert {x for mark in numbers.data for x in mark.x} == {4.0}
    low, high = numbers.layout.xaxis.range
    assert low < 0 < 10 < high, "the whole domain"
    assert list(options.layout.xaxis.ticktext) == ["1", "2"]
