"""The front of several objectives, against a search of all pairs in numpy."""

from __future__ import annotations

import numpy as np

from dfkd_ray.report.charts.front import Front
from tests.report.studies import noted, study, trial


def test_front_marks_what_nobody_beats_in_every_pair_of_objectives() -> None:
    values = np.random.default_rng(1).random((20, 3))
    note = noted(objective=[{"metric": "val_accuracy"}, {"metric": "kl/source"}, {"metric": "diversity"}])
    drawn = Front.prepare(study([trial(n, objectives=list(v)) for n, v in enumerate(values)], note=note))
    better = values * [1, -1, 1]
    free = {n for n in range(20) if not any((better[m] >= better[n]).all() and m != n for m in range(20))}
    assert {row["trial"] for row in drawn.to_pylist() if row["front"]} == free
    assert len(set(drawn["panel"].to_pylist())) == 3
    assert drawn.num_rows == 60


def test_the_trials_on_the_front_are_ringed() -> None:
    values = [(0.9, 0.5), (0.5, 0.1), (0.4, 0.3)]
    note = noted(objective=[{"metric": "val_accuracy"}, {"metric": "kl/source"}])
    rows = Front.prepare(study([trial(n, objectives=list(v)) for n, v in enumerate(values)], note=note))
    ring, *marks = Front.draw(rows).data
    assert ring.marker.symbol == "circle-open"
    assert list(zip(ring.x, ring.y)) == [(0.5, 0.9), (0.1, 0.5)], "the second objective lies, the first one stands"
    assert {mark.name: list(mark.y) for mark in marks} == {"complete": [0.5, 0.4], "best": [0.9]}


def test_a_study_of_one_objective_has_no_front() -> None:
    assert not Front.applies(study([trial(0)]))
    assert Front.applies(study([trial(0)], note=noted(objective=["val_accuracy", "diversity"])))
