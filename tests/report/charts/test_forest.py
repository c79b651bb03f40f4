"""The forest plot: rows against the table of effects, looks against verdicts."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from dfkd_ray.report.chart import HELPS, HURTS, PRUNED
from dfkd_ray.report.charts.forest import Forest
from dfkd_ray.util import tables as arrow
from dfkd_ray.util.words import NBSP
from tests.report import ablations
from tests.report.ablations import effect, with_effects
from tests.report.charts.drawn import first_panel


def test_the_forest_has_each_effect_of_the_objective_and_of_the_test_in_the_order_of_the_table() -> None:
    tables = ablations.factorial()
    assert tables.effects is not None
    wanted = [row for row in tables.effects.to_pylist() if row["metric"] in ("val_accuracy", "test_accuracy/last")]
    found = Forest.prepare(tables).to_pylist()
    assert [(r["metric"], r["difference"], r["low"], r["high"], r["verdict"]) for r in found] == [
        (r["metric"], r["difference"], r["low"], r["high"], r["verdict"]) for r in wanted
    ]
    first = [row for row in found if row["panel"] == "Validation accuracy"]
    assert [(row["group"], row["label"]) for row in first] == [
        *[("Main effects, mean over the rest", name) for name in ("mhad", "sfcl", "bn_prior")],
        *[("Interactions", name) for name in ("mhad x sfcl", "mhad x bn_prior", "sfcl x bn_prior")],
        *[("Shapley values", name) for name in ("mhad", "sfcl", "bn_prior")],
    ]


@pytest.mark.parametrize(
    ("name", "group", "label"),
    [
        ("leave one out", "Each component on against off, the rest on", "mhad"),
        ("path", "Comparisons", "sfcl, mhad on"),
        ("arms by hand", "Comparisons", "order 1 against both"),
    ],
)
def test_a_label_says_what_its_heading_does_not(name: str, group: str, label: str) -> None:
    assert (group, label) in [(r["group"], r["label"]) for r in Forest.prepare(ablations.STUDIES[name]()).to_pylist()]


def test_a_verdict_is_seen_by_shape_and_colour_and_read_in_words() -> None:
    tables = with_effects(
        effect("a"),
        effect("b", -0.2, verdict="hurts"),
        effect("c", 0.0, verdict="cannot be told apart at this budget"),
        effect("d", None, verdict="too few pairs to tell"),
    )
    figure = Forest.draw(Forest.prepare(tables)).to_dict()
    marks = {t["marker"]["symbol"]: t for t in figure["data"]}
    assert {symbol: t["marker"]["color"] for symbol, t in marks.items()} == {
        "circle": HELPS,
        "square": HURTS,
        "circle-open": PRUNED,
    }
    assert list(marks["circle"]["x"]) == [pytest.approx(35.2)]
    assert list(marks["circle-open"]["x"]) == [0.0, None]
    said = " ".join(note["text"] for note in figure["layout"]["annotations"])
    for words in ("<b>helps</b>", "<b>hurts</b>", "<b>not told apart</b>", "<b>too few pairs</b>"):
        assert words in said


def test_intervals_in_the_forest_reach_from_end_to_end() -> None:
    """Of the verdict; those of the effect by itself are told where it is pointed at."""
    row = effect("a", 0.3, low=0.1, high=0.6, t_low=0.15, t_high=0.45, boot_low=0.2, boot_high=0.5)
    (marks,) = Forest.draw(Forest.prepare(with_effects(row))).to_dict()["data"]
    assert (list(marks["error_x"]["array"]), list(marks["error_x"]["arrayminus"])) == ([30.0], [20.0])
    (about,) = marks["hovertext"]
    assert "95 % interval 10.0 to 60.0" in about.replace(NBSP, " ")
    assert "by itself: Student's 15.0 to 45.0, the bootstrap's 20.0 to 50.0" in about.replace(NBSP, " ")


def test_an_effect_without_an_interval_has_a_mark_and_no_bar() -> None:
    (marks,) = Forest.draw(Forest.prepare(with_effects(effect("a", 0.3, low=None, high=None)))).to_dict()["data"]
    assert list(marks["x"]) == [30.0]
    assert (list(marks["error_x"]["array"]), list(marks["error_x"]["arrayminus"])) == ([0], [0])


@pytest.mark.parametrize(("name", "exact"), [("factorial", True), ("fractional factorial", False)])
def test_estimated_shapley_values_say_so(name: str, exact: bool) -> None:
    groups = {row["group"] for row in Forest.prepare(ablations.STUDIES[name]()).to_pylist()}
    assert ("Shapley values" in groups) == exact
    assert ("Shapley values, estimated" in groups) != exact


def test_without_effects_there_are_no_rows() -> None:
    one = ablations.factorial()
    bare = replace(one, effects=arrow.table("effects", [], one.note))
    assert Forest.applies(bare)
    assert Forest.prepare(bare).num_rows == 0


def test_rows_and_headings_do_not_touch_and_the_figure_holds_them_all() -> None:
    drawn = Forest.draw(first_panel(Forest.prepare(ablations.factorial()))).to_dict()
    notes = drawn["layout"]["annotations"]
    headings = [note["y"] for note in notes if note["text"].startswith("<b>") and note["x"] == 0]
    names = [note["y"] for note in notes if note["x"] == 0 and note["y"] not in headings]
    assert (len(headings), len(names)) == (3, 9)
    every = sorted([*headings, *names])
    assert min(b - a for a, b in itertools.pairwise(every)) >= 20
    bottom, top = drawn["layout"]["yaxis"]["range"]
    assert top == 0 < every[0]
    assert every[-1] < bottom < drawn["layout"]["height"]


def test_of_a_metric_that_is_better_when_low_the_axis_says_so() -> None:
    whole = ablations.factorial()
    low = ablations.changed(whole, study={**whole.study, "objective": {"metric": "kl/source", "mode": "min"}})
    said = [Forest.draw(first_panel(Forest.prepare(t))).layout.xaxis.title.text for t in (whole, low)]
    assert ["less is better" in each for each in said] == [False, True]


@pytest.mark.parametrize(("name", "explained"), [("factorial", True), ("leave one out", False)])
def test_what_an_interaction_is_is_explained_where_there_is_one(name: str, explained: bool) -> None:
    notes = Forest.notes(Forest.prepare(ablations.STUDIES[name]()))
    assert ["half the difference" in note for note in notes] == ([False, True] if explained else [False])
