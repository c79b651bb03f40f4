"""The charts of an ablation: their rows against the trials and the effects, computed anew."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import pyarrow.compute as pc
import pytest

import dfkd_ray.report.charts  # noqa: F401  registers every chart
from dfkd_ray.report.chart import HELPS, HURTS, PRUNED, arm_look, charts
from dfkd_ray.report.view import Tables
from dfkd_ray.util import tables as arrow
from dfkd_ray.util.words import NBSP
from tests.report import ablations
from tests.report.ablations import effect, with_effects
from tests.report.experiment import EPOCHS


def rows(name: str, tables: Tables) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = charts[name].prepare(tables).to_pylist()
    return found


def values(tables: Tables, arm: str) -> list[float]:
    own = [row for row in tables.trials.to_pylist() if row["arm"] == arm and row["state"] == "complete"]
    return [row["objectives"][0] for row in own]


def test_the_forest_has_each_effect_of_the_objective_and_of_the_test_in_the_order_of_the_table() -> None:
    tables = ablations.factorial()
    assert tables.effects is not None
    wanted = [row for row in tables.effects.to_pylist() if row["metric"] in ("val_accuracy", "test_accuracy/last")]
    found = rows("forest", tables)
    assert [(r["metric"], r["difference"], r["t_low"], r["boot_high"], r["verdict"]) for r in found] == [
        (r["metric"], r["difference"], r["t_low"], r["boot_high"], r["verdict"]) for r in wanted
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
    assert (group, label) in [(r["group"], r["label"]) for r in rows("forest", ablations.STUDIES[name]())]


def test_estimated_shapley_values_say_so() -> None:
    assert "Shapley values, estimated" in [r["group"] for r in rows("forest", ablations.fractional())]
    assert "not exact" in charts["shapley"].notes(charts["shapley"].prepare(ablations.fractional()))[0]
    assert "Exact" in charts["shapley"].notes(charts["shapley"].prepare(ablations.factorial()))[0]


def test_a_verdict_is_seen_by_shape_and_colour_and_read_in_words() -> None:
    tables = with_effects(
        effect("a"),
        effect("b", -0.2, verdict="hurts"),
        effect("c", 0.0, verdict="cannot be told apart at this budget"),
        effect("d", None, verdict="too few pairs to tell"),
    )
    figure = charts["forest"].draw(charts["forest"].prepare(tables)).to_dict()
    marks = {t["marker"]["symbol"]: t for t in figure["data"][1:]}
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
    tables = with_effects(effect("a", 0.3, t_low=0.1, t_high=0.6, boot_low=0.2, boot_high=0.5))
    boot, marks = charts["forest"].draw(charts["forest"].prepare(tables)).to_dict()["data"]
    assert (list(marks["error_x"]["array"]), list(marks["error_x"]["arrayminus"])) == ([30.0], [20.0])
    assert boot["error_x"]["array"][0] == pytest.approx(20.0)
    assert boot["error_x"]["arrayminus"][0] == pytest.approx(10.0)


def test_arms_have_every_trial_and_their_mean_and_a_twin_has_no_row_of_its_own() -> None:
    tables = ablations.by_hand()
    own = [row for row in rows("arm_means", tables) if row["metric"] == "val_accuracy"]
    means = [row for row in own if row["what"] == "mean"]
    assert [row["label"] for row in means] == ["both = order 3", "order 1", "order_2 & 50%"]
    for row in means:
        found = [trial["value"] for trial in own if trial["what"] == "trial" and trial["arm"] == row["arm"]]
        assert found == values(tables, row["arm"])
        assert row["value"] == pytest.approx(statistics.fmean(found))
        assert row["low"] < row["value"] < row["high"]


def test_trials_of_a_pair_are_joined_across_the_arms() -> None:
    figure = charts["arm_means"].draw(panel("arm_means", ablations.fractional())).to_dict()
    lines = [trace for trace in figure["data"] if trace.get("meta") == "pair"]
    assert len(lines) == 6  # 3 seeds, 2 draws
    assert all(list(line["y"]) == list(range(8)) and line["mode"] == "lines+markers" for line in lines)
    assert {row["pair"] for row in rows("arm_means", ablations.fractional())} >= {"seed 0, draw 1", "seed 2, draw 0"}
    assert {row["pair"] for row in rows("arm_means", ablations.factorial())} >= {"seed 0", "seed 4"}


def panel(name: str, tables: Tables) -> Any:
    found = charts[name].prepare(tables)
    return found.filter([row == found["panel"][0].as_py() for row in found["panel"].to_pylist()])


def test_a_failed_trial_is_counted_at_its_arm() -> None:
    means = [row for row in rows("arm_means", ablations.leave_one_out()) if row["what"] == "mean"]
    assert {row["arm"]: row["failed"] for row in means}["without sfcl"] == 1
    figure = charts["arm_means"].draw(panel("arm_means", ablations.leave_one_out())).to_dict()
    assert any("n = 4, 1 failed" in note["text"] for note in figure["layout"]["annotations"])


def test_curves_are_the_mean_in_a_band_from_the_lowest_to_the_highest() -> None:
    tables = ablations.leave_one_out()
    last = [row for row in rows("arm_curves", tables) if row["epoch"] == EPOCHS]
    assert [row["arm"] for row in last] == [arm.name for arm in tables.arms]
    for row in last:
        found = values(tables, row["arm"])
        assert (row["mean"], row["low"], row["high"]) == (
            pytest.approx(statistics.fmean(found)),
            min(found),
            max(found),
        )
        assert row["trials"] == len(found)


def test_a_band_goes_with_its_line_and_every_arm_looks_its_own_way() -> None:
    figure = charts["arm_curves"].draw(charts["arm_curves"].prepare(ablations.factorial())).to_dict()
    bands, lines = figure["data"][:8], figure["data"][8:]
    assert [band["legendgroup"] for band in bands] == [line["legendgroup"] for line in lines]
    assert [band["fillcolor"] for band in bands] == [line["line"]["color"] for line in lines]
    looks = [tuple(sorted(arm_look(place).items())) for place in range(24)]
    assert len(set(looks)) == 24


def test_cost_is_the_mean_of_the_complete_trials_and_reused_ones_are_marked() -> None:
    tables = ablations.by_hand()
    own = rows("arm_cost", tables)
    seconds = [row["seconds"] for row in tables.trials.to_pylist() if row["arm"] == "both"]
    assert own[0]["seconds"] == pytest.approx(statistics.fmean(seconds))
    assert (own[0]["fastest"], own[0]["slowest"]) == (min(seconds), max(seconds))
    assert "2\u00a0trials" in charts["arm_cost"].notes(charts["arm_cost"].prepare(tables))[0]
    assert charts["arm_cost"].notes(charts["arm_cost"].prepare(ablations.factorial())) == []


def test_the_matrix_has_interactions_below_and_main_effects_on_the_diagonal() -> None:
    tables = ablations.factorial()
    assert tables.effects is not None
    by_name = {
        (row["kind"], row["component"]): row["difference"]
        for row in tables.effects.to_pylist()
        if row["metric"] == "val_accuracy"
    }
    names = ["mhad", "sfcl", "bn_prior"]
    wanted = {(row, row): by_name["main", row] for row in names}
    wanted |= {(b, a): by_name["interaction", f"{a} x {b}"] for i, a in enumerate(names) for b in names[i + 1 :]}
    assert {(row["row"], row["column"]): row["difference"] for row in rows("matrix", tables)} == wanted


def test_a_matrix_of_a_metric_that_is_better_when_low_turns_its_colours_and_not_its_numbers() -> None:
    study = {**ablations.factorial().study, "objective": {"metric": "kl/source", "mode": "min"}}
    found = rows("matrix", ablations.changed(ablations.factorial(), study=study))
    assert {row["better"] + row["difference"] for row in found} == {0.0}
    assert {row["short"] for row in found if row["row"] == row["column"] == "mhad"} == {"helps"}


def test_the_matrix_says_what_its_numbers_are_aliased_with() -> None:
    notes = charts["matrix"].notes(charts["matrix"].prepare(ablations.fractional()))
    assert "cannot tell mhad x sfcl from bn_prior x adversarial" in notes[1]
    assert "sfcl x bn_prior x adversarial" not in notes[1]


def test_shapley_values_lead_from_none_to_full() -> None:
    for tables in (ablations.factorial(), ablations.fractional()):
        first, *shares, last = rows("shapley", tables)
        assert first["end"] == pytest.approx(statistics.fmean(values(tables, "none")))
        assert last["end"] == pytest.approx(statistics.fmean(values(tables, "full")))
        assert [row["start"] for row in shares] == [first["end"], *(row["end"] for row in shares[:-1])]
        assert shares[-1]["end"] == pytest.approx(last["end"])


def test_a_pair_that_one_arm_lost_is_left_out_of_the_waterfall() -> None:
    """The values are over the pairs that all arms have; so is the arm from which they start."""
    whole = ablations.factorial()
    given = whole.trials.to_pylist()
    lost = next(row for row in given if row["arm"] == "mhad")
    lost |= {"state": "failed", "objectives": [], "final": []}
    first = rows("shapley", ablations.replaced(whole, given))[0]
    kept = [v for row, v in zip([r for r in given if r["arm"] == "none"], values(whole, "none")) if row["seed"] != 0]
    assert first["end"] == pytest.approx(statistics.fmean(kept))


def test_designs_without_interactions_or_shapley_values_have_no_such_chart() -> None:
    for name in ("matrix", "shapley"):
        assert not charts[name].applies(ablations.leave_one_out())
        assert charts[name].applies(ablations.factorial())
    none = ablations.factorial()
    bare = replace(none, effects=arrow.table("effects", [], none.note))
    assert charts["forest"].applies(bare)
    assert charts["forest"].prepare(bare).num_rows == 0


@pytest.mark.parametrize("name", ["arm_means", "arm_cost"])
def test_an_interval_is_drawn_to_the_end_of_its_metric_and_a_note_says_so(name: str) -> None:
    chart, tables = charts[name], ablations.near_the_top()
    own = [row for row in rows(name, tables) if row["metric"] == "val_accuracy" and row["low"] is not None]
    assert [(row["arm"], row["high"]) for row in own if row["cut"]] == [("full", 1.0)]
    assert own[0]["low"] == pytest.approx(0.98 - 2.776445 * 0.02, abs=1e-6)
    drawn = chart.prepare(tables)
    if "panel" in drawn.schema.names:
        drawn = drawn.filter(pc.equal(drawn["panel"], "Validation accuracy"))
    said = "The interval of full would leave what validation accuracy can be, 0.0 % to 100.0 %, and is cut there."
    assert said in [note.replace(NBSP, " ") for note in chart.notes(drawn)]
    axis = "error_x" if name == "arm_means" else "error_y"
    reach = [at + up for trace in chart.draw(drawn).data for at, up in _ends(trace, axis)]
    assert max(reach) == pytest.approx(1.0)
    assert not any(row["cut"] for row in rows(name, ablations.leave_one_out()))


def _ends(trace: Any, axis: str) -> list[tuple[float, float]]:
    """Of each mark of a trace its place and how far its interval goes up from there."""
    found = getattr(trace, axis).array
    return [] if found is None else list(zip(getattr(trace, axis[-1]), found))
