"""What is said of a study where it ends."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import metrics
from dfkd_ray.methods.method import Schedule
from dfkd_ray.runs import outcome
from dfkd_ray.tune import Summary
from dfkd_ray.tune.curves import Rows
from dfkd_ray.tune.trials import Trial
from dfkd_ray.util import words
from tests.tune import toys


def ended(number: int, values: list[float], last: dict[str, float], **final: float) -> Trial:
    rows = Rows()
    rows.take({"epoch": 3, "metrics": last, "seconds": 1.0})
    names = {name.replace("__", "/"): value for name, value in final.items()}
    return Trial(number, {"a.b": 0.5}, seed=0, state="complete", values=values, final=names, rows=rows)


def summary(front: list[tuple[Trial, dict[str, float]]], best: Trial | None) -> Summary:
    return Summary("s", Path("s"), 2, 0, 0, 0, True, best, 1.0, front=front)


def test_how_much_was_a_search_and_what_was_not_run_again_is_said() -> None:
    trial = ended(1, [0.5], {"val_accuracy": 0.5})
    plain = summary([(trial, {"val_accuracy": 0.5})], trial)
    assert list(outcome.proposed(plain)) == []
    known = replace(plain, proposed_by={"start-up": 10, "model": 2}, repeats=6, exhausted=True, searched=2)
    assert list(outcome.proposed(known)) == [
        "proposed: 2 of 12 trials by the sampler's model, 10 drawn at random",
        "6 proposals repeated a setting with its seed, so the same bits: known, and another was asked for",
        "the space is exhausted: it has 2 settings, and all were run",
    ]


def test_how_the_settings_of_several_seeds_have_ended_is_said() -> None:
    assert list(outcome.settled({}, 0)) == []
    states = {"complete": 5, "left": 3, "pruned": 2, "failed": 1, "running": 1}
    assert list(outcome.settled(states, 7)) == [
        "12 settings, 5 with every seed, 3 left before, 2 stopped, 1 failed, 1 still to come to their end: "
        "7 trials spared"
    ]
    assert list(outcome.settled({"complete": 1}, 0)) == ["1 setting, 1 with every seed"]


def test_the_budget_of_several_seeds_is_announced_as_settings_and_trials() -> None:
    made = toys.study({"budget: {trials: 8}": "budget: {trials: 8}\nseeds: 3\nconfirm: {top: 2, seeds: 4}"})
    first = outcome.announcement(made, Path("reports/toy")).splitlines()[1]
    confirming = " and at most 12 trials that confirm the winner"
    assert first == f"m on t, 8 settings x 3 seeds (at most 24 trials){confirming}, into reports/toy"
    hours = toys.study({"budget: {trials: 8}": "budget: {hours: 2}\nseeds: 3"})
    assert outcome.announcement(hours, Path("r")).splitlines()[1] == "m on t, 2 h, 3 seeds each, into r"


def test_a_stopper_that_begins_too_late_is_announced() -> None:
    made = toys.study({"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: asha"})
    *_, last = outcome.announcement(made, Path("r"), schedule=Schedule(epochs=3)).splitlines()
    assert last == "asha stops nothing: it begins after epoch 3, and a trial has 3 (`grace`)"
    assert "asha" not in outcome.announcement(made, Path("r"), schedule=Schedule(epochs=4))


def test_what_no_sampler_chose_is_counted_apart() -> None:
    plain = replace(summary([], None), proposed_by={"start": 2, "prior": 3})
    assert list(outcome.proposed(plain)) == ["proposed: 2 to start with, 3 from priors"]
    both = replace(plain, proposed_by={"model": 5, "start": 1})
    assert list(outcome.proposed(both)) == [
        "proposed: 5 of 6 trials by the sampler's model, 0 drawn at random, 1 to start with"
    ]


EFFECT: dict[str, Any] = {
    "contrast": "a against b",
    "metric": "val_accuracy",
    "difference": 0.021,
    "low": -0.001,
    "high": 0.043,
    "t_low": 0.001,  # another interval: of this effect by itself
    "t_high": 0.041,
    "p_holm": 0.0612,
    "pairs": 5,
    "lost": 0,
    "verdict": "cannot be told apart at this budget",
}


def test_effects_are_of_the_first_objective_in_points() -> None:
    rows = [EFFECT, {**EFFECT, "metric": "kl/noise", "difference": 0.4}]
    head, line = outcome.effects(rows)
    assert head == "effects on val_accuracy, 95 % intervals and p, each over all effects of its kind:"
    assert line == "  a against b: +2.1 [-0.1, +4.3] points, p 0.0612, 5 pairs: cannot be told apart at this budget"
    assert next(outcome.effects(rows, 3)) == f"{head.removesuffix(':')} and 3 looks:"
    assert list(outcome.effects([])) == ["no effects yet"]


@pytest.mark.parametrize("metric", ["diversity", "outside", "relative_accuracy/last", "kl/noise", "batchnorm/source"])
def test_terminal_and_page_print_one_effect_alike(metric: str) -> None:
    numbers = {"difference": 0.946, "low": -0.021, "high": 1.913}
    (line,) = list(outcome.effects([{**EFFECT, "metric": metric, **numbers}]))[1:]
    of_page = [words.for_terminal(metrics.difference(metric, value)) for value in numbers.values()]
    unit = {"kl/noise": " nats", "batchnorm/source": ""}.get(metric, " points")
    assert line.startswith(f"  a against b: {of_page[0]} [{of_page[1]}, {of_page[2]}]{unit}, p ")
    assert of_page == (["+94.6", "-2.1", "+191.3"] if unit == " points" else ["+0.946", "-0.021", "+1.91"])


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"low": None, "high": None, "p_holm": None, "pairs": 1, "lost": 4, "verdict": "too few pairs to tell"},
            "  a against b: +2.1 points, 1 pair, 4 lost: too few pairs to tell",
        ),
        (
            {"difference": None, "lost": 5, "verdict": "too few pairs to tell"},
            "  a against b: too few pairs to tell (5 pairs lost)",
        ),
        (
            {"metric": "kl/noise", "verdict": "hurts"},
            "  a against b: +0.021 [-0.001, +0.043] nats, p 0.0612, 5 pairs: hurts",
        ),
    ],
)
def test_what_is_not_known_of_an_effect_is_left_out(changes: dict[str, Any], line: str) -> None:
    assert list(outcome.effects([{**EFFECT, **changes}]))[1:] == [line]


NOTE: dict[str, Any] = {
    "table": "x/table3",
    "title": "What it adds",
    "source": "Ada et al., ICML 2001, Table 3",
    "column": "cub200",
    "scale": "paper",
    "unit": "points",
    "metric": "test_accuracy/last",
    "cells": [
        {
            "row": "baseline",
            "published": 51.34,
            "mark": "read",
            "measured": 41.26,
            "t_low": 39.0,
            "t_high": 43.52,
            "n": 5,
            "difference": -10.08,
        },
        {
            "row": "+A",
            "published": 54.2,
            "mark": "secondary",
            "measured": None,
            "t_low": None,
            "t_high": None,
            "n": 0,
            "difference": None,
        },
    ],
    "claims": [
        {
            "text": "A helps",
            "by": "table",
            "published": 2.86,
            "difference": 1.04,
            "low": 0.2,
            "high": 1.88,
            "pairs": 5,
            "verdict": "holds here",
        },
        {
            "text": "A hurts",
            "by": "text",
            "published": 0.1,
            "difference": None,
            "low": None,
            "high": None,
            "pairs": 0,
            "verdict": "cannot be told",
        },
    ],
}


def test_published_and_measured_stand_in_columns() -> None:
    assert list(outcome.published_lines(NOTE)) == [
        "Ada et al., ICML 2001, Table 3, cub200, beside test_accuracy/last here, in points:",
        "                    published      measured here  n  difference",
        "  baseline              51.34  41.3 [39.0, 43.5]  5       -10.1",
        "  +A        54.20 (secondary)                  -  0           -",
        "what the table claims, with 95 % intervals over all claims:",
        "  holds here: A helps (published +2.86, here +1.0 [+0.2, +1.9], 5 pairs)",
        "  cannot be told: A hurts (published +0.10, here nothing measured, 0 pairs)",
    ]


def test_a_paper_that_keeps_its_best_epoch_stands_beside_both_of_ours() -> None:
    best = [{"best": 42.0, "best_difference": -9.34}, {"best": None, "best_difference": None}]
    cells = [cell | more for cell, more in zip(NOTE["cells"], best)]
    code = "one/CMI @9e79fa9 main.py"
    assert list(outcome.published_lines({**NOTE, "cells": cells, "best_on_test": code, "claims": []}))[1:] == [
        "                    published    last epoch here  n  difference  best here  difference",
        "  baseline              51.34  41.3 [39.0, 43.5]  5       -10.1       42.0        -9.3",
        "  +A        54.20 (secondary)                  -  0           -          -           -",
        "  (published is the best epoch on the split it reports, one/CMI @9e79fa9 main.py;",
        "  here it is the best by the study's objective: the best on test is not below either, and is not known)",
    ]


def test_an_interval_that_was_cut_is_said() -> None:
    assert (
        "  (The interval of +A would leave what test accuracy, last epoch can be, 0.0 % to 100.0 %, and is cut there.)"
    ) in list(outcome.published_lines({**NOTE, "cut": ["+A"]}))


def test_another_scale_is_said_and_a_study_without_a_table_says_nothing() -> None:
    elsewhere = list(outcome.published_lines({**NOTE, "scale": "gliders", "column": None, "claims": []}))
    assert "mean of the columns that can be run again" in elsewhere[0]
    assert elsewhere[1] == "  (on gliders, a task of another scale: compare the claims, not the numbers)"
    assert len(elsewhere) == 5
    assert list(outcome.published_lines(None)) == []


def test_degenerate_trials_are_named_by_reason_and_what_became_of_them() -> None:
    found = dict.fromkeys(range(8), ("one class",)) | {9: ("one image", "one class")}
    trial = ended(8, [0.9], {"agreement/source": 0.9})
    one = summary([(trial, {"agreement/source": 0.9})], trial)
    assert list(outcome.degenerate_lines(replace(one, degenerate=found, guarded=True))) == [
        "degenerate, kept from winning:",
        "  trial 0, 1, 2, 3, 4, 5 and 2 more: one class",
        "  trial 9: one image, one class",
    ]
    lines = outcome.degenerate_lines(replace(one, degenerate={0: ("one class",)}))
    assert next(lines) == "degenerate, compared on real images all the same:"
    lines = outcome.degenerate_lines(replace(summary([], None), degenerate=found, guarded=True))
    assert next(lines) == "degenerate, kept from winning: no trial has won"
    assert list(outcome.degenerate_lines(one)) == []
