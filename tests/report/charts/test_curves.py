"""Learning curves: a line a trial, its last epoch marked."""

from __future__ import annotations

import pytest

from dfkd_ray.report.charts.curves import Curves
from dfkd_ray.report.view import Tables
from tests.report.charts.drawn import first_panel
from tests.report.studies import demo, noted, steps, study, trial


@pytest.fixture(scope="module")
def tables() -> Tables:
    return demo()


def test_curves_mark_each_trials_last_epoch(tables: Tables) -> None:
    drawn = Curves.prepare(tables)
    ends = {row["trial"]: row["epoch"] for row in drawn.to_pylist() if row["last"]}
    assert ends == {t.number: t.row["epochs"] for t in tables.all}
    assert drawn.num_rows == sum(ends.values())


def test_curves_lift_the_pen_between_trials() -> None:
    rows = [trial(n, objectives=[0.1 * n]) for n in range(3)]
    curves = [r for n in range(3) for r in steps(n, {"val_accuracy": [0.1, 0.2]})]
    figure = Curves.draw(Curves.prepare(study(rows, curves)))
    line = next(t for t in figure.data if t.mode == "lines" and t.name == "complete")
    assert list(line.x) == [1, 2, None, 1, 2, None]
    assert len(line.x) == len(line.y) == len(line.hovertext)


def test_curves_show_validation_beside_another_objective() -> None:
    one = study([trial(0)], steps(0, {"val_accuracy": [0.1], "diversity": [0.7]}), note=noted(objective="diversity"))
    assert Curves.prepare(one)["metric"].to_pylist() == ["diversity", "val_accuracy"]


def test_the_mark_of_a_trial_is_at_its_last_epoch_and_the_best_is_drawn_last(tables: Tables) -> None:
    rows = first_panel(Curves.prepare(tables))
    drawn = Curves.draw(rows).data
    ends = {(row["epoch"], row["value"]) for row in rows.to_pylist() if row["last"]}
    marks = [trace for trace in drawn if trace.mode == "markers"]
    assert {point for trace in marks for point in zip(trace.x, trace.y)} == ends
    assert [trace.legendgroup for trace in drawn[-2:]] == ["best", "best"]
    assert drawn[-2].line.width == max(trace.line.width for trace in drawn if trace.mode == "lines")


@pytest.mark.parametrize(("count", "opacity"), [(3, 1.0), (20, 0.25), (100, 0.12)])
def test_lines_are_the_fainter_the_more_there_are_and_never_gone(count: int, opacity: float) -> None:
    rows = [trial(n, objectives=[0.5 if n else 0.9]) for n in range(count + 1)]
    curves = [r for n in range(count + 1) for r in steps(n, {"val_accuracy": [0.1, 0.5]})]
    lines = {t.name: t for t in Curves.draw(Curves.prepare(study(rows, curves))).data if t.mode == "lines"}
    assert (lines["complete"].opacity, lines["best"].opacity) == (pytest.approx(opacity), 1)
