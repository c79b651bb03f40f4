"""What every chart keeps, whatever the study looks like."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import plotly.graph_objects as go
import pyarrow as pa
import pytest

import dfkd_ray.report.charts  # noqa: F401  registers every chart
from dfkd_ray.report.chart import RUN, SECTIONS, charts
from dfkd_ray.report.page import block, page
from dfkd_ray.report.view import Tables
from tests.report.ablations import STUDIES as ABLATIONS
from tests.report.ablations import factorial, leave_one_out, replaced
from tests.report.packed import unpacked
from tests.report.studies import KD, MHAD, NOTE, ORDER, demo, noted, one_run, steps, study, trial
from tests.report.writing import written

TWO = [{"metric": "val_accuracy", "mode": "max"}, {"metric": "kl/source", "mode": "min"}]


def conditional() -> Tables:
    search = {ORDER: {"choice": [1, 2, 3]}, KD: {"log": [1, 20]}, "a.b": {"uniform": [0, 1], "when": {ORDER: [2, 3]}}}
    rows = [
        trial(n, changes={ORDER: 1 + n % 3, KD: 1.5 + n, **({"a.b": 0.1 * n} if n % 3 else {})}, objectives=[0.1 * n])
        for n in range(7)
    ]
    return study(
        rows, [r for n in range(7) for r in steps(n, {"val_accuracy": [0.05, 0.1 * n]})], note=noted(search=search)
    )


def not_finite() -> Tables:
    rows = [
        trial(n, changes={MHAD: 1.0 + n, KD: math.inf if n else 2.0}, objectives=[v], seconds=math.nan)
        for n, v in enumerate((math.nan, math.inf, 0.5))
    ]
    curves = {"val_accuracy": [math.nan, 0.5], "loss/student/kd": [math.inf, math.nan], "kl/source": [math.nan, 1.0]}
    return study(rows, [r for n in range(3) for r in steps(n, curves)])


def several() -> Tables:
    one = demo(fail=False)
    rows = [
        {**row, "objectives": [*(row["objectives"] or []), 0.3 - 0.01 * row["trial"]]} for row in one.trials.to_pylist()
    ]
    return study(rows, one.steps.to_pylist(), note=noted(objective=TWO))


def low() -> Tables:
    one = factorial()
    rows = [{**row, "objectives": [1.0 - value for value in row["objectives"]]} for row in one.trials.to_pylist()]
    objective = {"metric": "kl/source", "mode": "min"}
    return replaced(one, rows, study={**one.study, "objective": objective})


STUDIES = {
    "empty": lambda: study(),
    "no metadata": lambda: study([trial(0, changes={"a.x": 1.0}), trial(1, changes={"a.x": 2.0})], note={}),
    "one trial": lambda: demo(1),
    "all failed": lambda: study([trial(n, state="failed", objectives=[], reason="no memory") for n in range(3)]),
    "all pruned": lambda: study(
        [trial(n, state="pruned", objectives=[], changes={MHAD: 1.0 + n}) for n in range(3)],
        [r for n in range(3) for r in steps(n, {"val_accuracy": [0.1 * n]})],
    ),
    "running": lambda: study(
        [trial(0, state="running", objectives=None, best_epoch=None, seconds=None, final=None)],
        note={**NOTE, "finished": False},
    ),
    "not finite": not_finite,
    "several objectives": several,
    "conditional settings": conditional,
    "twelve trials": demo,
    "one run": one_run,
    "one trial of many": lambda: demo().only(4),
    "two hundred trials": lambda: demo(200),
    **ABLATIONS,
    "ablation without effects": lambda: replace(leave_one_out(), effects=None),
    "ablation of a metric that is better when low": low,
}


@pytest.fixture(scope="module", params=STUDIES)
def tables(request: pytest.FixtureRequest) -> Tables:
    return STUDIES[request.param]()


@pytest.mark.parametrize("name", list(charts))
def test_a_chart_prepares_rows_and_draws_them_or_says_why_not(name: str, tables: Tables) -> None:
    chart = charts[name]
    rows = chart.prepare(tables)
    assert isinstance(rows, pa.Table)
    assert "panel" in rows.column_names or not chart.panels
    figures: dict[str, dict[str, list[object]]] = {}
    made = block(name, chart, tables, figures)
    html = written(made)
    if not chart.applies(tables):
        assert made is None
    elif rows.num_rows:
        assert figures
        assert all(figure["data"] for figure in figures.values())
        assert len(html.split('class="plot"')) - 1 == len(figures)
    else:
        assert not figures
        assert 'class="empty"' in html


@pytest.mark.parametrize("name", list(charts))
def test_a_chart_is_drawn_from_its_rows_alone_and_always_alike(name: str) -> None:
    chart = charts[name]
    make = next(make for make in (several, factorial, one_run) if chart.applies(make()))
    rows = chart.prepare(make())
    assert rows.equals(chart.prepare(make()))
    assert rows.num_rows
    first = rows if not chart.panels else rows.filter(pa.compute.equal(rows["panel"], rows["panel"][0]))
    figure = chart.draw(first)
    assert isinstance(figure, go.Figure)
    assert figure.to_json() == chart.draw(first).to_json()


@pytest.mark.parametrize("name", list(charts))
def test_a_chart_has_the_words_that_go_with_it(name: str) -> None:
    chart = charts[name]
    assert chart.section in (*SECTIONS, RUN)
    assert chart.title
    assert chart.reading.endswith(".")
    assert chart.empty.endswith(".")


def test_a_sweep_and_an_ablation_share_what_speaks_of_the_best_trial_alone() -> None:
    of_sweeps = {name for name in charts if charts[name].applies(several())}
    of_ablations = {name for name in charts if charts[name].applies(factorial())}
    assert of_sweeps & of_ablations == {"ranking", "losses"}
    assert of_sweeps | of_ablations == {name for name in charts if charts[name].section != RUN}
    assert [name for name in charts if charts[name].section == RUN and not charts[name].applies(one_run())] == []


def test_any_study_makes_a_page_whose_figures_are_strict_json(tables: Tables) -> None:
    html = page(tables)
    json.loads(unpacked(html, "figures"), parse_constant=lambda constant: pytest.fail(f"{constant} is not JSON"))
