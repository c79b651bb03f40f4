"""The charts of how the search went: history, curves, front, cost."""

from __future__ import annotations

import numpy as np
import pytest

from dfkd_ray.report.chart import charts
from dfkd_ray.report.view import Tables
from tests.report.studies import demo, noted, steps, study, trial


@pytest.fixture(scope="module")
def tables() -> Tables:
    return demo()


def test_history_keeps_a_running_best_of_complete_trials_only() -> None:
    states = ["complete", "pruned", "complete", "failed", "complete"]
    rows = [trial(n, state=s, objectives=[v]) for n, (s, v) in enumerate(zip(states, (0.4, None, 0.3, None, 0.6)))]
    drawn = charts["history"].prepare(study(rows, steps(1, {"val_accuracy": [0.2, 0.9]}))).to_pydict()
    assert drawn["trial"] == [0, 1, 2, 4]
    assert drawn["value"] == [0.4, 0.9, 0.3, 0.6]
    assert drawn["best_so_far"] == [0.4, 0.4, 0.4, 0.6]
    assert drawn["role"] == ["complete", "pruned", "complete", "best"]


def test_history_of_a_minimised_objective_falls() -> None:
    rows = [trial(n, objectives=[v]) for n, v in enumerate((0.4, 0.6, 0.1))]
    drawn = charts["history"].prepare(study(rows, note=noted(objective={"metric": "kl/source", "mode": "min"})))
    assert drawn["best_so_far"].to_pylist() == [0.4, 0.4, 0.1]


def test_history_has_a_panel_for_each_objective() -> None:
    both = noted(objective=["val_accuracy", "diversity"])
    drawn = charts["history"].prepare(study([trial(0, objectives=[0.5, 0.9])], note=both))
    assert drawn.select(["panel", "value"]).to_pylist() == [
        {"panel": "Validation accuracy", "value": 0.5},
        {"panel": "Prediction diversity", "value": 0.9},
    ]


def test_curves_mark_each_trials_last_epoch(tables: Tables) -> None:
    drawn = charts["curves"].prepare(tables)
    ends = {row["trial"]: row["epoch"] for row in drawn.to_pylist() if row["last"]}
    assert ends == {t.number: t.row["epochs"] for t in tables.all}
    assert drawn.num_rows == sum(ends.values())


def test_curves_lift_the_pen_between_trials() -> None:
    rows = [trial(n, objectives=[0.1 * n]) for n in range(3)]
    curves = [r for n in range(3) for r in steps(n, {"val_accuracy": [0.1, 0.2]})]
    figure = charts["curves"].draw(charts["curves"].prepare(study(rows, curves)))
    line = next(t for t in figure.data if t.mode == "lines" and t.name == "complete")
    assert list(line.x) == [1, 2, None, 1, 2, None]
    assert len(line.x) == len(line.y) == len(line.hovertext)


def test_curves_show_validation_beside_another_objective() -> None:
    one = study([trial(0)], steps(0, {"val_accuracy": [0.1], "diversity": [0.7]}), note=noted(objective="diversity"))
    assert charts["curves"].prepare(one)["metric"].to_pylist() == ["diversity", "val_accuracy"]


def test_front_marks_what_nobody_beats_in_every_pair_of_objectives() -> None:
    values = np.random.default_rng(1).random((20, 3))
    note = noted(objective=[{"metric": "val_accuracy"}, {"metric": "kl/source"}, {"metric": "diversity"}])
    drawn = charts["front"].prepare(study([trial(n, objectives=list(v)) for n, v in enumerate(values)], note=note))
    better = values * [1, -1, 1]
    free = {n for n in range(20) if not any((better[m] >= better[n]).all() and m != n for m in range(20))}
    assert {row["trial"] for row in drawn.to_pylist() if row["front"]} == free
    assert len(set(drawn["panel"].to_pylist())) == 3
    assert drawn.num_rows == 60


def test_cost_joins_the_trials_that_none_beats_at_the_same_or_a_lower_cost() -> None:
    seconds, values = (10.0, 20.0, 30.0, 40.0, 40.0, 5.0), (0.5, 0.4, 0.7, 0.6, 0.9, None)
    rows = [trial(n, seconds=s, objectives=[v]) for n, (s, v) in enumerate(zip(seconds, values))]
    rows.append(trial(6, state="pruned", seconds=1.0, objectives=[]))
    drawn = charts["cost"].prepare(study(rows, steps(6, {"val_accuracy": [0.95]}))).to_pylist()
    assert {row["trial"] for row in drawn} == {0, 1, 2, 3, 4, 6}
    assert {row["trial"] for row in drawn if row["front"]} == {0, 2, 4}


def test_cost_prefers_less_of_a_minimised_objective() -> None:
    rows = [trial(n, seconds=float(n), objectives=[v]) for n, v in enumerate((0.5, 0.6, 0.2))]
    drawn = charts["cost"].prepare(study(rows, note=noted(objective="kl/source"))).to_pylist()
    assert [row["front"] for row in drawn] == [True, False, True]
