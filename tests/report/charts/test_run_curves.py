"""How a single run went, a metric a panel."""

from __future__ import annotations

from dfkd_ray.report.chart import BEST, COMPLETE
from dfkd_ray.report.charts.run_curves import RunCurves
from tests.report.studies import demo, noted, steps, study, trial

CURVES = {
    "loss/student/kd": [3.0, 2.0, 1.0],
    "lr/student": [0.1, 0.1, 0.0],
    "val_accuracy": [0.2, 0.6, 0.5],
    "kl/source": [0.3, None, 0.1],
    "mine": [1.0, 2.0, 3.0],
}


def test_objectives_come_first_then_metrics_as_they_are_listed_and_no_losses() -> None:
    rows = [trial(0), trial(1, best_epoch=3, epochs=3, objectives=[0.1])]
    given = study(rows, [*steps(0, CURVES), *steps(1, CURVES)], note=noted(objective="kl/source")).only(1)
    found = RunCurves.prepare(given).to_pydict()
    labels = ["KL to the teacher, own images", "Validation accuracy", "Learning rate of the student", "mine"]
    assert list(dict.fromkeys(found["panel"])) == labels
    assert found["epoch"] == [1, 3, *([1, 2, 3] * 3)]
    assert found["value"][:5] == [0.3, 0.1, 0.2, 0.6, 0.5]
    assert [e for e, best in zip(found["epoch"], found["best"]) if best] == [3] * 4


def test_it_is_for_a_single_run_alone() -> None:
    assert not RunCurves.applies(demo())
    assert RunCurves.prepare(demo()).num_rows == 0
    assert RunCurves.applies(demo().only(2))


def test_a_star_marks_the_best_epoch() -> None:
    rows = RunCurves.prepare(study([trial(0, best_epoch=2)], steps(0, {"val_accuracy": [0.2, 0.6, 0.5]})).only(0))
    line, star = RunCurves.draw(rows).data
    assert (line.line.color, list(line.y), line.mode) == (COMPLETE, [0.2, 0.6, 0.5], "lines")
    assert (star.marker.color, list(star.x), list(star.y)) == (BEST, [2], [0.6])
    nowhere = RunCurves.prepare(study([trial(0, best_epoch=None)], steps(0, {"val_accuracy": [0.2, 0.6]})).only(0))
    (line,) = RunCurves.draw(nowhere).data
    assert line.mode == "lines+markers"
