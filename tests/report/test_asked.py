"""What was asked, in a few lines: of a sweep its space and budget, of an ablation its design."""

from __future__ import annotations

import re
from typing import Any

import pytest

from dfkd_ray.report import asked, sections
from dfkd_ray.report.view import Tables
from dfkd_ray.util.words import NBSP
from tests.report import ablations
from tests.report.studies import KD, NOTE, ORDER, STUDY, noted, study, trial
from tests.report.writing import written


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html).replace(NBSP, " "))


def test_what_was_asked_of_an_ablation_is_its_design() -> None:
    text = plain(written(sections.summary(ablations.fractional())))
    assert "fractional_factorial (resolution 4)" in text
    assert re.search(r"Seeds 0, 1, 2 Draws 2, the same for all arms", text)
    assert "Sampler" not in text
    assert re.search(r"Arms 4, of which 3 are run", plain(written(sections.summary(ablations.by_hand()))))
    assert "1 holds here and 1 cannot be told" in plain(written(sections.summary(ablations.by_hand())))


def test_a_sweep_says_what_was_searched_in_which_range_and_how_long() -> None:
    search = {ORDER: {"choice": [1, 3]}, KD: {"log": [1, 20], "when": {ORDER: 3}}}
    text = plain(
        written(asked.asked(study([trial(0)], note=noted(search=search, budget={"trials": 40, "hours": 2.5}))))
    )
    assert "Searched order (1 or 3) and temperature (1 to 20, logarithmic; only if order is 3)" in text
    assert "Fixed schedule.epochs = 20" in text
    assert "Sampler tpe (seed 0) Stopper asha (grace 4, reduction 3)" in text
    assert "Budget 40 trials or 2.5 h" in text
    assert "Task gliders, 12 classes Teacher and student resnet8 teaches resnet8" in text


def test_how_many_trials_the_model_proposed_is_said_where_it_is_known() -> None:
    rows = [trial(number, proposed_by=who) for number, who in enumerate(["start-up", "start-up", "model", None])]
    assert "Proposed 1 of 3 trials by the sampler" in plain(written(asked.asked(study(rows))))
    assert "Proposed" not in plain(written(asked.asked(study([trial(0)]))))


def test_edits_and_earlier_studies_are_said_where_there_are_any() -> None:
    note = {
        **NOTE,
        "amendments": [{"number": 1, "time": 0.0, "asked": 4, "changed": "budget.trials 4 -> 6"}],
        "earlier": [{"folder": "reports/old", "trials": [0, 3], "best": 0.5, "known": []}],
    }
    text = plain(written(asked.asked(study([trial(0)], note=note))))
    assert "Edited after 4 trials: budget.trials 4 -&gt; 6" in text
    assert "Learnt from reports/old: 2 trials (0, 3), the best 50.0 % (none of this study" in text
    text = plain(written(asked.asked(study([trial(0)], note={**NOTE, "amendments": 3, "earlier": [1, {}]}))))
    assert "Edited" not in text
    assert "Learnt from None: 0 trials ()" in text


def test_the_preset_that_fixes_more_than_the_study_says_is_named() -> None:
    text = plain(written(asked.asked(study([trial(0)], note=noted(preset="laptop")))))
    assert "Preset laptop Task" in text
    assert "Preset" not in plain(written(asked.asked(study([trial(0)], note=noted()))))


def test_a_sweep_that_has_hardly_begun_and_of_which_little_is_known() -> None:
    text = plain(written(asked.asked(study(note={}))))
    assert "none has ended yet" in text
    for left_out in ("Method", "Task", "Teacher and student", "Searched", "Fixed", "Sampler", "Stopper", "Budget"):
        assert left_out not in text


@pytest.mark.parametrize("known", [{}, {"arch": None}, {"arch": ""}])
def test_networks_are_named_as_a_pair_or_not_at_all(known: dict[str, Any]) -> None:
    task = {**NOTE["task"], "teacher": known}
    assert "teaches" not in plain(written(asked.asked(study(note={**NOTE, "task": task}))))


def test_a_task_may_be_named_by_the_study_alone() -> None:
    for named in ("svhn", {"name": "svhn"}):
        assert "Task svhn " in plain(written(asked.asked(study(note={"study": {**STUDY, "task": named}}))))
    one = {"study": STUDY, "task": {"name": "gliders", "classes": 1}}
    assert "Task gliders, 1 class " in plain(written(asked.asked(study(note=one))))


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        ({"name": "asha", "grace": 2, "reduction": 3}, "asha (grace 2, reduction 3)"),
        ({"name": "random", "population": None}, "random"),
        ({"cpu": 1, "gpu": 0.5}, "cpu 1, gpu 0.5"),
        ({"name": "grid", "shuffle": False}, "grid (shuffle false)"),
        ("none", "none"),
        (None, ""),
        ({}, ""),
    ],
)
def test_what_is_configured_is_its_name_and_its_options(raw: Any, said: str) -> None:
    assert asked.configured(raw) == said


@pytest.mark.parametrize(("make", "said"), [(ablations.path, "path"), (ablations.leave_one_out, "leave_one_out")])
def test_the_design_of_an_ablation_is_named_with_its_components(make: Any, said: str) -> None:
    tables: Tables = make()
    text = plain(written(asked.experiment(tables)))
    assert f"Design {said} " in text
    assert "Components mhad" in text
    assert "Tuned" not in text
    assert "none has ended yet" not in text
    tuned = ablations.changed(tables, study={**tables.study, "tune": {"trials": 6}})
    assert "Tuned 6 trials for each arm" in plain(written(asked.experiment(tuned)))
