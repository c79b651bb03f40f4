"""Parallel coordinates: places and scores, worked out again."""

from __future__ import annotations

import math

import pytest

from dfkd_ray.report.chart import BEST, SCALE
from dfkd_ray.report.charts.parallel import ABSENT, Parallel
from dfkd_ray.report.view import Tables
from tests.report.studies import KD, MHAD, demo, noted, steps, study, trial


@pytest.fixture(scope="module")
def tables() -> Tables:
    return demo()


def test_parallel_places_each_value_in_its_range(tables: Tables) -> None:
    rows = [r for r in Parallel.prepare(tables).to_pylist() if r["label"] == "high_order.weight"]
    changes = {t.number: t.changes[MHAD] for t in tables.all}
    for row in rows:
        assert row["share"] == pytest.approx((math.log10(changes[row["trial"]]) + 1) / 3)


def test_parallel_scores_complete_trials_between_poorest_and_best() -> None:
    values = [0.2, 0.5, 0.3]
    rows = [trial(n, changes={MHAD: 1.0, KD: 2.0}, objectives=[v]) for n, v in enumerate(values)]
    drawn = Parallel.prepare(study(rows, note=noted(objective={"metric": "kl/source", "mode": "min"})))
    scores = {r["trial"]: r["score"] for r in drawn.to_pylist()}
    assert scores == pytest.approx({0: 1.0, 1: 0.0, 2: 2 / 3})
    goal = [r["share"] for r in drawn.to_pylist() if r["axis"] == drawn["axis"].to_pylist()[-1]]
    assert goal == pytest.approx([0.0, 1.0, 1 / 3])


def test_parallel_shows_an_absent_setting_as_absent() -> None:
    rows = [trial(0, changes={MHAD: 1.0, KD: 2.0}, objectives=[0.1]), trial(1, changes={MHAD: 1.0}, objectives=[0.2])]
    drawn = Parallel.prepare(study(rows))
    assert [r["share"] for r in drawn.to_pylist() if r["label"] == "kd.temperature"][1] is None
    assert "does not have that setting" in " ".join(Parallel.notes(drawn))


def test_a_line_leaves_the_axis_of_a_setting_that_the_trial_does_not_have() -> None:
    rows = [trial(0, changes={MHAD: 1.0, KD: 2.0}, objectives=[0.1]), trial(1, changes={MHAD: 1.0}, objectives=[0.2])]
    search = {MHAD: {"log": [0.1, 100]}, KD: {"log": [1, 20]}}
    figure = Parallel.draw(Parallel.prepare(study(rows, note=noted(search=search))))
    first, best = figure.data
    assert list(best.y) == [0, 1, 2]
    assert list(best.x) == pytest.approx([1 / 3, ABSENT, 1.0])
    assert list(first.x) == pytest.approx([1 / 3, math.log(2) / math.log(20), 0.0])
    assert figure.layout.xaxis.range[0] < ABSENT


def test_lines_lie_from_the_poorest_to_the_best_which_is_the_strongest() -> None:
    values = [0.5, 0.9, 0.1, 0.7]
    rows = [trial(n, changes={MHAD: 1.0}, objectives=[v]) for n, v in enumerate(values)]
    rows.append(trial(4, changes={MHAD: 1.0}, state="pruned", objectives=[]))
    prepared = Parallel.prepare(study(rows, steps(4, {"val_accuracy": [0.95]})))
    drawn = Parallel.draw(prepared).data
    assert [line.x[-1] for line in drawn] == pytest.approx([1.0, 0.0, 0.4 / 0.85, 0.6 / 0.85, 0.8 / 0.85])
    assert drawn[0].line.dash == "dot", "stopped early: under all others"
    assert drawn[-1].line.color == BEST
    assert drawn[-1].line.width == max(line.line.width for line in drawn)
    assert [line.line.color for line in drawn[1:3]] == [SCALE[0], SCALE[round(0.5 * 8)]]


def test_one_trial_or_no_setting_is_not_worth_drawing() -> None:
    rows = [trial(n, changes={MHAD: 1.0 + n}, objectives=[0.1]) for n in range(2)]
    assert Parallel.prepare(study(rows)).num_rows
    assert Parallel.prepare(study(rows[:1])).num_rows == 0
    assert Parallel.prepare(study([trial(n) for n in range(2)], note=noted(search={}))).num_rows == 0


def test_names_at_the_ends_of_an_axis_do_not_leave_it() -> None:
    rows = [trial(n, changes={MHAD: 1.0}, objectives=[0.1 * n]) for n in range(2)]
    prepared = Parallel.prepare(study(rows, note=noted(search={MHAD: {"log": [0.1, 100]}})))
    ticks = [note for note in Parallel.draw(prepared).layout.annotations if note.yshift < 0]
    assert [(note.text, note.x, note.xanchor) for note in ticks[:2]] == [("0.1", 0, "left"), ("100", 1, "right")]


def test_trials_of_one_style_are_one_line_with_gaps() -> None:
    """Of 100 trials 11 traces: stopped early, nine steps of the scale, the best."""
    rows = [trial(n, changes={MHAD: 1.0 + n}, objectives=[0.01 * n]) for n in range(90)]
    rows += [trial(n, changes={MHAD: 1.0}, state="pruned", objectives=[]) for n in range(90, 100)]
    curves = [row for n in range(90, 100) for row in steps(n, {"val_accuracy": [0.3]})]
    made = study(rows, curves, note=noted(search={MHAD: {"log": [0.1, 100]}}))
    drawn = Parallel.draw(Parallel.prepare(made)).data
    assert len(drawn) == 11
    assert sum(1 + list(line.x).count(None) for line in drawn) == 100
    assert all(len(line.x) == len(line.y) == len(line.hovertext) for line in drawn)
    assert list(drawn[0].y) == [0, 1, None] * 9 + [0, 1]
