"""What charts share: how trials and arms look, and axes that show the whole of a domain."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa
import pytest

from dfkd_ray import metrics
from dfkd_ray.report import chart
from dfkd_ray.report.chart import ARM_COLOURS, ARM_DASHES, MARKERS, ROLES, Drawn, axis, escaped, hover
from tests.report.studies import study, trial


def test_a_trial_looks_like_its_state_and_the_best_like_the_best() -> None:
    tables = study([trial(0, objectives=[0.1]), trial(1, objectives=[0.2])])
    assert [chart.role(tables, n, "complete") for n in (0, 1)] == ["complete", "best"]
    assert [chart.role(tables, 0, state) for state in ("pruned", "failed", "new", "")] == [
        *("pruned", "failed", "running", "running"),
    ]
    assert chart.role(study([trial(0, state="failed")]), 0, "failed") == "failed"


def test_every_role_is_told_by_its_shape_and_has_a_name() -> None:
    assert MARKERS.keys() == ROLES.keys()
    assert len({look["symbol"] for look in MARKERS.values()}) == len(MARKERS)


def test_rows_are_grouped_by_role_and_the_best_lies_on_top() -> None:
    roles = ["best", "complete", "failed", "complete", "running"]
    rows = pa.table({"role": roles, "trial": list(range(5))})
    groups = [(name, own["trial"]) for name, own in chart.by_role(rows)]
    assert groups == [("failed", [2]), ("running", [4]), ("complete", [1, 3]), ("best", [0])]


def test_arms_have_colours_by_their_place_and_another_dash_on_each_turn() -> None:
    count = len(ARM_COLOURS) * len(ARM_DASHES)
    looks = [chart.arm_style(place) for place in range(count)]
    assert [look["color"] for look in looks[: len(ARM_COLOURS)]] == list(ARM_COLOURS)
    assert [look["dash"] for look in looks[:: len(ARM_COLOURS)]] == list(ARM_DASHES)
    assert len({tuple(look.values()) for look in looks}) == count
    assert chart.arm_style(count) == looks[0]


def test_text_of_a_user_stays_text_in_marks_and_on_axes() -> None:
    mark = chart.points("complete", [1], [2], {"trial": [3], "about": ["<b>x</b>\ny"]}, showlegend=False)
    assert (list(mark.customdata), mark.meta) == ([3], "complete")
    assert list(mark.hovertext) == ["&lt;b&gt;x&lt;/b&gt;<br>y"]
    assert (mark.name, mark.mode, mark.showlegend) == (ROLES["complete"], "markers", False)
    assert "<b>" not in chart.axis("<b>x</b>")["title"]["text"]


def test_an_axis_of_a_share_is_in_per_cent_and_goes_no_further_than_there_are_any() -> None:
    of_share, other = chart.axis("Accuracy", "val_accuracy"), chart.axis("KL", "kl/source", dtick=1)
    assert of_share["tickformat"].endswith("p")
    assert of_share["autorangeoptions"]["clipmin"] < 0 < 1 < of_share["autorangeoptions"]["clipmax"]
    assert other == {"title": {"text": "KL"}, "dtick": 1}


@pytest.mark.parametrize(("values", "one"), [([], True), ([3, 15], True), ([3, 16], False), ([200, 212, 205], True)])
def test_whole_numbers_have_no_tick_between_two(values: list[int], one: bool) -> None:
    assert ("dtick" in chart.integer_axis("Epoch", values)) == one


def test_a_figure_has_no_template_of_its_own() -> None:
    made = chart.figure([go.Scatter(x=[1], y=[2])], height=99, showlegend=False)
    assert (made.layout.height, made.layout.showlegend) == (99, False)
    assert made.layout.template.layout.to_plotly_json() == {}, "the page brings one for light and one for dark"


@pytest.mark.parametrize(
    ("kind", "low", "high", "inside"),
    [("uniform", 0.0, 1.0, (0.0, 1.0)), ("int", 1, 5, (1, 5)), ("log", 0.1, 100.0, (-1.0, 2.0)), ("int", 3, 3, (3, 3))],
)
def test_the_axis_of_a_setting_holds_its_whole_domain(
    kind: str, low: float, high: float, inside: tuple[float, float]
) -> None:
    axis_ = chart.place_axis("x", kind, low, high, [])
    first, last = axis_["range"]
    assert first < inside[0]
    assert inside[1] < last
    assert axis_.get("type") == ("log" if kind == "log" else None)


def test_options_have_a_column_each_with_their_name() -> None:
    axis_ = chart.place_axis("x", "choice", 0, 1, ["a", "<b>", "c"])
    assert (axis_["range"], axis_["tickvals"], axis_["ticktext"]) == ([-0.5, 2.5], [0, 1, 2], ["a", "&lt;b&gt;", "c"])
    assert chart.place_axis("x", "choice", 0, 1, [])["range"] == [-0.5, 0.5]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (1.0, 20.0, [1, 2, 5, 10, 20]),
        (0.1, 100.0, [0.1, 1, 10, 100]),
        (0.05, 1.0, [0.05, 0.1, 0.2, 0.5, 1]),
        (1e-8, 1e8, [10.0**p for p in range(-8, 9, 2)]),
    ],
)
def test_ticks_of_a_log_axis_are_round_and_few(low: float, high: float, ticks: list[float]) -> None:
    assert chart.place_axis("x", "log", low, high, [])["tickvals"] == pytest.approx(ticks)


def test_trials_of_an_option_are_set_apart_always_in_the_same_way() -> None:
    places = [1.0] * 40
    spread = chart.jitter(places, range(40), "choice")
    assert spread == chart.jitter(places, range(40), "choice")
    assert len(set(spread)) == 40
    assert all(math.fabs(x - 1.0) < 0.2 for x in spread)
    assert chart.jitter(places, range(40), "log") == places


def test_a_chart_says_nothing_unless_it_does() -> None:
    rows: Any = pa.table({"x": [1]})
    assert Drawn.applies(rows)
    assert Drawn.notes(rows) == Drawn.warnings(rows) == []
    for method in (Drawn.prepare, Drawn.draw):
        with pytest.raises(NotImplementedError):
            method(rows)


def test_plotly_text_keeps_no_tag_and_no_entity_that_plotly_would_read() -> None:
    assert escaped("<b>&lt;</b>") == "&lt;b&gt;&amp;lt;&lt;/b&gt;"
    assert hover("a<br>b\nc") == "a&lt;br&gt;b<br>c"


def test_an_axis_of_shares_is_in_per_cent_and_ends_where_they_do() -> None:
    share, ratio = axis("", metrics.CLASS_ENTROPY), axis("", metrics.RELATIVE_LAST)
    assert (share["tickformat"], ratio["tickformat"]) == (".3~p", ".3~p")
    assert share["autorangeoptions"] == {"clipmin": -0.02, "clipmax": 1.02}
    assert "autorangeoptions" not in ratio, "a student may be better than its teacher"
    assert axis("", metrics.KL) == axis("") == {"title": {"text": ""}}
