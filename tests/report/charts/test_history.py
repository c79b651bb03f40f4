"""The history of a search: what each trial reached, and the best so far."""

from __future__ import annotations

from dfkd_ray.report.charts.history import History
from tests.report.studies import noted, steps, study, trial


def test_history_keeps_a_running_best_of_complete_trials_only() -> None:
    states = ["complete", "pruned", "complete", "failed", "complete"]
    rows = [trial(n, state=s, objectives=[v]) for n, (s, v) in enumerate(zip(states, (0.4, None, 0.3, None, 0.6)))]
    drawn = History.prepare(study(rows, steps(1, {"val_accuracy": [0.2, 0.9]}))).to_pydict()
    assert drawn["trial"] == [0, 1, 2, 4]
    assert drawn["value"] == [0.4, 0.9, 0.3, 0.6]
    assert drawn["best_so_far"] == [0.4, 0.4, 0.4, 0.6]
    assert drawn["role"] == ["complete", "pruned", "complete", "best"]


def test_history_of_a_minimised_objective_falls() -> None:
    rows = [trial(n, objectives=[v]) for n, v in enumerate((0.4, 0.6, 0.1))]
    drawn = History.prepare(study(rows, note=noted(objective={"metric": "kl/source", "mode": "min"})))
    assert drawn["best_so_far"].to_pylist() == [0.4, 0.4, 0.1]


def test_history_has_a_panel_for_each_objective() -> None:
    both = noted(objective=["val_accuracy", "diversity"])
    drawn = History.prepare(study([trial(0, objectives=[0.5, 0.9])], note=both))
    assert drawn.select(["panel", "value"]).to_pylist() == [
        {"panel": "Validation accuracy", "value": 0.5},
        {"panel": "Prediction diversity", "value": 0.9},
    ]


def test_the_line_of_the_best_so_far_is_a_staircase_under_the_marks_of_each_kind() -> None:
    states = {"failed": None, "pruned": None, "complete": 0.3, "running": None}
    rows = [trial(n, state=state, objectives=[v]) for n, (state, v) in enumerate(states.items())]
    rows.append(trial(4, objectives=[0.6]))
    curves = [r for n in (1, 3) for r in steps(n, {"val_accuracy": [0.2]})]
    line, *marks = History.draw(History.prepare(study(rows, curves))).data
    assert (line.line.shape, list(line.x), list(line.y)) == ("hv", [1, 2, 3, 4], [None, 0.3, 0.3, 0.6])
    assert [(mark.name, list(mark.x), list(mark.y)) for mark in marks] == [
        ("running", [3], [0.2]),
        ("stopped", [1], [0.2]),
        ("complete", [2], [0.3]),
        ("best", [4], [0.6]),
    ]
