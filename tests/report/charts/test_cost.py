"""What a trial reached for its seconds: the trials that none other beats."""

from __future__ import annotations

from dfkd_ray.report.charts.cost import Cost
from tests.report.studies import noted, steps, study, trial


def test_cost_joins_the_trials_that_none_beats_at_the_same_or_a_lower_cost() -> None:
    seconds, values = (10.0, 20.0, 30.0, 40.0, 40.0, 5.0), (0.5, 0.4, 0.7, 0.6, 0.9, None)
    rows = [trial(n, seconds=s, objectives=[v]) for n, (s, v) in enumerate(zip(seconds, values))]
    rows.append(trial(6, state="pruned", seconds=1.0, objectives=[]))
    drawn = Cost.prepare(study(rows, steps(6, {"val_accuracy": [0.95]}))).to_pylist()
    assert {row["trial"] for row in drawn} == {0, 1, 2, 3, 4, 6}
    assert {row["trial"] for row in drawn if row["front"]} == {0, 2, 4}


def test_cost_prefers_less_of_a_minimised_objective() -> None:
    rows = [trial(n, seconds=float(n), objectives=[v]) for n, v in enumerate((0.5, 0.6, 0.2))]
    drawn = Cost.prepare(study(rows, note=noted(objective="kl/source"))).to_pylist()
    assert [row["front"] for row in drawn] == [True, False, True]


def test_the_line_climbs_in_steps_along_the_trials_that_none_beats() -> None:
    values = {0: (30.0, 0.7), 1: (10.0, 0.5), 2: (20.0, 0.4), 3: (40.0, 0.9)}
    rows = Cost.prepare(study([trial(n, seconds=s, objectives=[v]) for n, (s, v) in values.items()]))
    line, *marks = Cost.draw(rows).data
    assert (line.mode, line.line.shape) == ("lines", "hv")
    assert list(zip(line.x, line.y)) == [(10.0, 0.5), (30.0, 0.7), (40.0, 0.9)]
    assert [(mark.name, list(mark.x)) for mark in marks] == [("complete", [30.0, 10.0, 20.0]), ("best", [40.0])]


def test_of_trials_that_are_alike_none_beats_the_other() -> None:
    rows = Cost.prepare(study([trial(n, seconds=5.0, objectives=[0.5]) for n in range(2)]))
    assert rows["front"].to_pylist() == [True, True]
