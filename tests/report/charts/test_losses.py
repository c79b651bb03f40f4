from __future__ import annotations

from dfkd_ray.report.chart import charts
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
    rows = charts["losses"].prepare(tables).to_pydict()
    assert rows["panel"] == ["Source: bn"] * 2 + ["Student: total"] * 2 + ["Student: kd"] * 2
    assert rows["value"] == [5.0, 4.0, 3.0, 1.5, 2.0, 1.0]
    assert rows["epoch"] == [1, 2] * 3
