from __future__ import annotations

from dfkd_ray.report.chart import BEST, COMPLETE
from dfkd_ray.report.charts.losses import Losses
from tests.report.studies import steps, study, trial


def test_losses_are_those_of_the_best_trial_its_totals_first() -> None:
    curves = {
        "loss/student/kd": [2.0, 1.0],
        "loss/student/total": [3.0, 1.5],
        "loss/source/bn": [5.0, 4.0],
        "val_accuracy": [0.1, 0.2],
    }
    other = {"loss/student/kd": [9.0, 9.0]}
    tables = study([trial(0, objectives=[0.1]), trial(1, objectives=[0.9])], [*steps(0, other), *steps(1, curves)])
    rows = Losses.prepare(tables).to_pydict()
    assert rows["panel"] == ["Source: bn"] * 2 + ["Student: total"] * 2 + ["Student: kd"] * 2
    assert rows["value"] == [5.0, 4.0, 3.0, 1.5, 2.0, 1.0]
    assert rows["epoch"] == [1, 2] * 3


def test_a_line_has_the_colour_of_what_is_trained_and_marks_where_it_is_short() -> None:
    curves = {"loss/student/kd": [2.0, 1.0], "loss/source/bn": [5.0, 4.0, 3.0]}
    rows = Losses.prepare(study([trial(0)], steps(0, curves)))
    sides = rows["side"].to_pylist()
    source, student = (Losses.draw(rows.filter([s == side for s in sides])).data[0] for side in ("source", "student"))
    assert (source.line.color, student.line.color) == (COMPLETE, BEST)
    assert (source.mode, student.mode) == ("lines", "lines+markers")
    assert (list(source.x), list(source.y)) == ([1, 2, 3], [5.0, 4.0, 3.0])


def test_the_losses_of_a_single_run_are_its_own_also_where_it_was_stopped() -> None:
    rows = [trial(0), trial(1, state="pruned")]
    tables = study(rows, [*steps(0, {"loss/student/kd": [1.0]}), *steps(1, {"loss/student/kd": [2.0, 3.0]})])
    assert Losses.prepare(tables)["value"].to_pylist() == [1.0]
    assert Losses.prepare(tables.only(1))["value"].to_pylist() == [2.0, 3.0]


def test_without_a_complete_trial_there_are_no_losses() -> None:
    assert Losses.prepare(study([trial(0, state="pruned")], steps(0, {"loss/student/kd": [1.0]}))).num_rows == 0
