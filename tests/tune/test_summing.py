"""What became of a study."""

from __future__ import annotations

from pathlib import Path

from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.summing import summary_of
from tests.tune import toys


def test_a_summary_has_what_the_best_reached_by_metric(tmp_path: Path) -> None:
    done = toys.start(toys.study(), toys.Toy(), tmp_path)
    assert done.best is not None
    assert [(trial.number, dict(values)) for trial, values in done.front] == [
        (done.best.number, {"val_accuracy": (done.best.values or [])[0]})
    ]
    again = summary_of(read_history(tmp_path), tmp_path)
    assert (again.complete, again.pruned, again.finished) == (done.complete, done.pruned, True)
