"""A chart of the page by its name, as a figure of its own."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute
import pytest

from dfkd_ray.report import figures
from dfkd_ray.report.chart import charts
from dfkd_ray.report.view import Tables
from dfkd_ray.util.errors import StudyError, UnknownName
from tests.report.ablations import leave_one_out
from tests.report.studies import demo, hostile, noted, one_run, study, trial

STUDIES = {"demo": demo, "ablation": leave_one_out, "hostile": hostile, "one run": one_run}
TWO = [{"metric": "val_accuracy", "mode": "max"}, {"metric": "kl/source", "mode": "min"}]


def several() -> Tables:
    rows = [trial(n, changes={}, objectives=[0.1 * n, 1.0 - 0.1 * n]) for n in range(4)]
    return study(rows, [], note=noted(objective=TWO))


def page_height(tables: Tables, key: str) -> int:
    rows = charts[key].prepare(tables)
    first = rows.filter(pa.compute.equal(rows["panel"], rows["panel"][0])) if charts[key].panels else rows
    height: int = charts[key].draw(first).layout.height
    return height


@pytest.mark.parametrize("name", STUDIES)
def test_every_chart_that_applies_is_drawn_without_a_variable_of_the_page(name: str) -> None:
    tables = STUDIES[name]()
    names = figures.names(tables)
    assert set(names) == {key for key in charts if charts[key].applies(tables)}
    drawn = 0
    for key in names:
        if not charts[key].prepare(tables).num_rows:
            with pytest.raises(StudyError, match=f"^{key}: "):
                figures.figure(tables, key)
            continue
        made = figures.figure(tables, key, dark=bool(drawn % 2))
        assert made.layout.title.text.startswith(charts[key].title)
        assert '"var(--' not in made.to_json()
        assert made.layout.height == page_height(tables, key) + 76, "its title takes nothing from the plot"
        drawn += 1
    assert drawn


def test_a_study_with_several_objectives_has_a_panel_for_each() -> None:
    tables = several()
    first = figures.figure(tables, "history")
    assert first.layout.title.text == "Optimisation history: Validation accuracy"
    panels = charts["history"].prepare(tables)["panel"].unique().to_pylist()
    second = figures.figure(tables, "history", panels[1])
    assert second.layout.title.text == f"Optimisation history: {panels[1]}"
    assert list(second.data[-1].y) != list(first.data[-1].y)


@pytest.mark.parametrize(
    ("name", "panel", "error", "message"),
    [
        ("histroy", None, UnknownName, r"unknown figure 'histroy'; did you mean 'history'\?"),
        ("forest", None, StudyError, r"forest is not for this study: it has history, "),
        ("history", "Accuracy", UnknownName, r"history has no panel 'Accuracy'"),
        ("cost", "Accuracy", UnknownName, r"cost has no panel 'Accuracy' \(none is known\)"),
    ],
)
def test_what_there_is_not(name: str, panel: str | None, error: Any, message: str) -> None:
    with pytest.raises(error, match=f"^{message}"):
        figures.figure(demo(), name, panel)
