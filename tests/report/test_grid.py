"""The columns of the table of trials."""

from __future__ import annotations

import json

import pytest

from dfkd_ray.report import grid, thinning
from dfkd_ray.report.view import Tables
from dfkd_ray.util.words import NBSP
from tests.report import ablations
from tests.report.studies import KD, MHAD, ORDER, demo, hostile, study, trial


def named(tables: Tables) -> dict[str, grid.Column]:
    return {column.name: column for column in grid.columns(tables, tables.all)}


def test_a_sweep_has_its_objective_its_settings_and_what_may_be_added() -> None:
    tables = demo()
    found = named(tables)
    shown = [name for name, column in found.items() if column.shown]
    settings = [p.label for p in tables.parameters]
    assert shown == ["Trial", "State", "Validation accuracy", "Test, last epoch", "Epochs", "Time", *settings]
    assert [name for name, column in found.items() if not column.shown][:3] == ["Reason", "Seed", "Best epoch"]
    assert found["Trial"].values == list(range(12))
    goal = found["Validation accuracy"]
    assert (goal.unit, goal.scale, goal.number) == ("%", 100.0, True)
    assert goal.values == [trial.value for trial in tables.all]
    assert goal.texts[0] == f"{100 * goal.values[0]:.1f}{NBSP}%"
    weight = next(column for column in found.values() if column.path == MHAD)
    assert weight.log
    assert weight.values == [trial.changes[MHAD] for trial in tables.all]


def test_an_ablation_has_arm_and_seed_and_its_draw_where_there_are_several() -> None:
    assert list(named(ablations.leave_one_out()))[:4] == ["Trial", "Arm", "Seed", "State"]
    assert list(named(ablations.fractional()))[:5] == ["Trial", "Arm", "Seed", "Draw", "State"]
    assert "Arm" not in named(demo())
    assert "Tuning" not in named(ablations.leave_one_out())


def test_what_is_missing_is_no_number_and_a_setting_may_be_absent() -> None:
    rows = [trial(0, changes={ORDER: 2, KD: 4.0}, seconds=None), trial(1, changes={ORDER: "two"}, seconds=float("nan"))]
    found = named(study(rows))
    by_path = {column.path: column for column in found.values()}
    assert (found["Time"].values, found["Time"].texts) == ([None, None], ["–", "–"])
    assert (by_path[ORDER].values, by_path[ORDER].texts) == ([2, "two"], ["2", "two"])
    assert (by_path[KD].values, by_path[KD].texts) == ([4.0, None], ["4", "–"])


def test_a_column_travels_once_where_its_cells_are_what_they_say() -> None:
    assert grid.Column("State", ["a", "b"], ["a", "b"]).plain == {
        "name": "State", "number": False, "shown": True, "values": ["a", "b"],
    }  # fmt: skip
    assert grid.Column("Reason", ["a", None], ["a", ""]).plain["values"] == ["a", None]
    assert "texts" not in grid.Column("Reason", ["a", None], ["a", ""]).plain
    assert grid.Column("Share", [0.5], ["50 %"], unit="%", scale=100.0).plain["texts"] == ["50 %"]


@pytest.mark.parametrize("make", [demo, hostile, lambda: hostile(True), ablations.hostile, ablations.unfinished])
def test_the_data_of_a_page_are_json_without_exceptions(make: object) -> None:
    tables = make()  # type: ignore[operator]
    data = grid.data(tables)
    lengths = {len(column["values"]) for column in data["columns"]}
    assert lengths == {len(tables.all)}
    assert len({column["name"] for column in data["columns"]}) == len(data["columns"])
    json.dumps(data, allow_nan=False)


def test_of_a_very_large_study_the_best_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thinning, "LISTED", 100)
    tables = study([trial(n, objectives=[n / 200]) for n in range(200)])
    assert grid.data(tables)["columns"][0]["values"] == list(range(100, 200))
