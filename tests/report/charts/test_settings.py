"""The charts of the searched settings: importance, parallel coordinates, slices, interaction."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dfkd_ray.report.chart import charts
from dfkd_ray.report.view import Tables
from tests.report.studies import KD, MHAD, NOTE, ORDER, demo, noted, study, trial


@pytest.fixture(scope="module")
def tables() -> Tables:
    return demo()


def test_importance_is_what_the_sweep_wrote_sorted_and_names_who_estimated_it(tables: Tables) -> None:
    rows = charts["importance"].prepare(tables)
    told = NOTE["importance"]["objectives"]["val_accuracy"]
    assert rows["importance"].to_pylist() == sorted(told.values(), reverse=True)
    assert dict(zip(rows["path"].to_pylist(), rows["importance"].to_pylist())) == told
    (note,) = charts["importance"].notes(rows)
    assert "An estimate, not a measurement: PED-ANOVA, 11 trials at epoch 4." in note
    assert "a hint, not a finding" in note


def test_importance_leaves_out_what_is_no_number_and_says_when_there_is_none() -> None:
    told = {"evaluator": "x", "objectives": {"val_accuracy": {ORDER: math.nan, KD: None, MHAD: 0.2}, "kl/source": {}}}
    rows = charts["importance"].prepare(study(note={**NOTE, "importance": told}))
    assert rows["path"].to_pylist() == [MHAD]
    assert charts["importance"].prepare(study(note={**NOTE, "importance": {}})).num_rows == 0


def test_slices_leave_out_trials_without_the_setting() -> None:
    search = {ORDER: {"choice": [1, 2]}, "a.b": {"uniform": [0, 1], "when": {ORDER: [2]}}}
    rows = [trial(0, changes={ORDER: 1}), trial(1, changes={ORDER: 2, "a.b": 0.25})]
    drawn = charts["slices"].prepare(study(rows, note=noted(search=search))).to_pylist()
    assert [(r["panel"], r["trial"], r["x"], r["said"]) for r in drawn] == [
        ("order", 0, 0.0, "1"),
        ("order", 1, 1.0, "2"),
        ("b", 1, 0.25, "0.25"),
    ]


@pytest.mark.parametrize(("weight", "edge"), [(99.0, "upper"), (0.11, "lower"), (3.0, None)])
def test_slices_warn_of_the_best_trial_at_the_edge_and_of_no_other(weight: float, edge: str | None) -> None:
    rows = [trial(0, changes={MHAD: weight}, objectives=[0.9]), trial(1, changes={MHAD: 100.0}, objectives=[0.1])]
    drawn = charts["slices"].prepare(study(rows))
    assert [r["edge"] for r in drawn.to_pylist()] == [edge, None]
    warned = charts["slices"].warnings(drawn)
    assert len(warned) == (edge is not None)
    assert all(f"the {edge} edge" in text and "weight" in text for text in warned)


def test_parallel_places_each_value_in_its_range(tables: Tables) -> None:
    rows = [r for r in charts["parallel"].prepare(tables).to_pylist() if r["label"] == "high_order.weight"]
    changes = {t.number: t.changes[MHAD] for t in tables.all}
    for row in rows:
        assert row["share"] == pytest.approx((math.log10(changes[row["trial"]]) + 1) / 3)


def test_parallel_scores_complete_trials_between_poorest_and_best() -> None:
    values = [0.2, 0.5, 0.3]
    rows = [trial(n, changes={MHAD: 1.0, KD: 2.0}, objectives=[v]) for n, v in enumerate(values)]
    drawn = charts["parallel"].prepare(study(rows, note=noted(objective={"metric": "kl/source", "mode": "min"})))
    scores = {r["trial"]: r["score"] for r in drawn.to_pylist()}
    assert scores == pytest.approx({0: 1.0, 1: 0.0, 2: 2 / 3})
    goal = [r["share"] for r in drawn.to_pylist() if r["axis"] == drawn["axis"].to_pylist()[-1]]
    assert goal == pytest.approx([0.0, 1.0, 1 / 3])


def test_parallel_shows_an_absent_setting_as_absent() -> None:
    rows = [trial(0, changes={MHAD: 1.0, KD: 2.0}, objectives=[0.1]), trial(1, changes={MHAD: 1.0}, objectives=[0.2])]
    drawn = charts["parallel"].prepare(study(rows))
    assert [r["share"] for r in drawn.to_pylist() if r["label"] == "kd.temperature"][1] is None
    assert "does not have that setting" in " ".join(charts["parallel"].notes(drawn))


def test_interaction_takes_the_two_most_important_settings(tables: Tables) -> None:
    rows = charts["interaction"].prepare(tables)
    assert (rows["x_label"][0].as_py(), rows["y_label"][0].as_py()) == ("high_order.weight", "kd.temperature")
    unknown = study(tables.trials.to_pylist(), tables.steps.to_pylist(), note={**NOTE, "importance": {}})
    rows = charts["interaction"].prepare(unknown)
    assert not rows["by_importance"][0].as_py()
    assert "No importance is known" in charts["interaction"].notes(rows)[0]


def test_interaction_interpolates_a_plane_exactly_and_only_from_enough_trials() -> None:
    draw = np.random.default_rng(0)
    at = np.vstack([draw.random((26, 2)), [[0, 0], [0, 1], [1, 0], [1, 1]]])

    def plane(x: float, y: float) -> float:
        return 0.2 + 0.3 * x + 0.4 * y

    changes = [{MHAD: float(10 ** (3 * x - 1)), KD: float(20**y)} for x, y in at]
    rows = [trial(n, changes=c, objectives=[plane(x, y)]) for n, (c, (x, y)) in enumerate(zip(changes, at))]
    cells = [r for r in charts["interaction"].prepare(study(rows)).to_pylist() if r["what"] == "grid"]
    assert len(cells) > 500
    for cell in cells:
        x, y = (math.log10(cell["x"]) + 1) / 3, math.log(cell["y"]) / math.log(20)
        assert cell["value"] == pytest.approx(plane(x, y), abs=1e-6)
    few = charts["interaction"].prepare(study(rows[:9]))
    assert set(few["what"].to_pylist()) == {"trial"}


def test_interaction_draws_no_surface_through_trials_on_a_line() -> None:
    rows = [
        trial(n, changes={MHAD: 10.0 ** (n / 6 - 1), KD: 20.0 ** (n / 18)}, objectives=[0.1 * n]) for n in range(15)
    ]
    assert "grid" not in charts["interaction"].prepare(study(rows))["what"].to_pylist()
