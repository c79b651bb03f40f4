"""Two settings together: which two, and a surface that is exact where the truth is a plane."""

from __future__ import annotations

import math

import numpy as np
import pytest

from dfkd_ray.report.charts.interaction import Interaction
from dfkd_ray.report.view import Tables
from tests.report.studies import KD, MHAD, NOTE, demo, noted, steps, study, trial


@pytest.fixture(scope="module")
def tables() -> Tables:
    return demo()


def test_interaction_takes_the_two_most_important_settings(tables: Tables) -> None:
    rows = Interaction.prepare(tables)
    assert (rows["x_label"][0].as_py(), rows["y_label"][0].as_py()) == ("high_order.weight", "kd.temperature")
    unknown = study(tables.trials.to_pylist(), tables.steps.to_pylist(), note={**NOTE, "importance": {}})
    rows = Interaction.prepare(unknown)
    assert not rows["by_importance"][0].as_py()
    assert "No importance is known" in Interaction.notes(rows)[0]


def test_interaction_interpolates_a_plane_exactly_and_only_from_enough_trials() -> None:
    draw = np.random.default_rng(0)
    at = np.vstack([draw.random((26, 2)), [[0, 0], [0, 1], [1, 0], [1, 1]]])

    def plane(x: float, y: float) -> float:
        return 0.2 + 0.3 * x + 0.4 * y

    changes = [{MHAD: float(10 ** (3 * x - 1)), KD: float(20**y)} for x, y in at]
    rows = [trial(n, changes=c, objectives=[plane(x, y)]) for n, (c, (x, y)) in enumerate(zip(changes, at))]
    cells = [r for r in Interaction.prepare(study(rows)).to_pylist() if r["what"] == "grid"]
    assert len(cells) > 500
    for cell in cells:
        x, y = (math.log10(cell["x"]) + 1) / 3, math.log(cell["y"]) / math.log(20)
        assert cell["value"] == pytest.approx(plane(x, y), abs=1e-6)
    few = Interaction.prepare(study(rows[:9]))
    assert set(few["what"].to_pylist()) == {"trial"}


def test_interaction_draws_no_surface_through_trials_on_a_line() -> None:
    rows = [
        trial(n, changes={MHAD: 10.0 ** (n / 6 - 1), KD: 20.0 ** (n / 18)}, objectives=[0.1 * n]) for n in range(15)
    ]
    assert "grid" not in Interaction.prepare(study(rows))["what"].to_pylist()


def test_compared_trials_have_the_colour_of_their_value_and_others_are_outlines() -> None:
    rows = [trial(n, changes={MHAD: 1.0, KD: 2.0 + n}, objectives=[0.3 * n]) for n in range(3)]
    rows.append(trial(3, changes={MHAD: 1.0, KD: 3.0}, state="pruned", objectives=[]))
    prepared = Interaction.prepare(study(rows, steps(3, {"val_accuracy": [0.7]})))
    marks = {mark.name: mark for mark in Interaction.draw(prepared).data}
    assert {name: list(mark.y) for name, mark in marks.items()} == {
        "stopped": [3.0],
        "complete": [2.0, 3.0],
        "best": [4.0],
    }
    assert [list(marks[name].marker.color) for name in ("complete", "best")] == [[0.0, 0.3], [0.6]]
    assert marks["stopped"].marker.coloraxis is None
    assert marks["complete"].marker.coloraxis == marks["best"].marker.coloraxis == "coloraxis"


@pytest.mark.parametrize("mode", ["min", "max"])
def test_good_values_have_the_same_colour_whichever_way_is_better(mode: str) -> None:
    rows = [trial(n, changes={MHAD: 1.0, KD: 2.0}, objectives=[v]) for n, v in enumerate((0.1, 0.2))]
    tables = study(rows, note=noted(objective={"metric": "val_accuracy", "mode": mode}))
    figure = Interaction.draw(Interaction.prepare(tables))
    assert figure.layout.coloraxis.reversescale == (mode == "min")
    assert figure.layout.coloraxis.showscale
    alone = Interaction.draw(Interaction.prepare(study(rows[:1])))
    assert not alone.layout.coloraxis.showscale, "one value has no scale"


def test_a_single_setting_has_no_interaction() -> None:
    rows = [trial(n, changes={MHAD: 1.0 + n}, objectives=[0.1 * n]) for n in range(3)]
    assert Interaction.prepare(study(rows, note=noted(search={MHAD: {"log": [0.1, 100]}}))).num_rows == 0


def test_the_surface_lies_under_the_trials_on_a_grid_with_holes_outside_of_them() -> None:
    at = np.random.default_rng(3).uniform([-0.5, 0.2], [1.5, 0.8], (20, 2))
    changes = [{MHAD: float(10**x), KD: float(20**y)} for x, y in at]
    rows = [trial(n, changes=own, objectives=[0.1 * n]) for n, own in enumerate(changes)]
    prepared = Interaction.prepare(study(rows))
    surface, *_ = Interaction.draw(prepared).data
    cells = [row for row in prepared.to_pylist() if row["what"] == "grid"]
    assert surface.type == "contour"
    grid = {(x, y): surface.z[j][i] for i, x in enumerate(surface.x) for j, y in enumerate(surface.y)}
    assert {at: z for at, z in grid.items() if z is not None} == {(c["x"], c["y"]): c["value"] for c in cells}
    assert None in grid.values()


def test_a_trial_without_one_of_the_two_settings_or_without_a_value_has_no_place() -> None:
    search = {MHAD: {"log": [0.1, 100]}, KD: {"log": [1, 20]}}
    changes = [{MHAD: 1.0, KD: 2.0}, {MHAD: 1.0}, {KD: 2.0}, {MHAD: 1.0, KD: "odd"}, {MHAD: 1.0, KD: 3.0}]
    rows = [trial(n, changes=own, objectives=[0.1]) for n, own in enumerate(changes)]
    rows[4]["objectives"] = [math.nan]
    assert Interaction.prepare(study(rows, note=noted(search=search)))["trial"].to_pylist() == [0]
