"""What a study selects by is reported by each of its trials, or the file is refused where one would lack it."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray import study
from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.runs import preparing, selecting
from dfkd_ray.util.yamls import Document

KD = "student_loss.kd"
CE = {"name": "kd", "temperature": 2}
WAY = "take a metric that every trial reports, or leave this out"
LACKS = f"reports no loss/student/kd, which the objective asks for: {WAY}"


def told(**parts: Any) -> list[str]:
    raw = {"study": "s", "method": "noise_kd", "task": "gliders", "objective": {"metric": "loss/student/kd"}}
    made = study.parse(Document({**raw, **parts}))
    method = config.load(made.method)

    def resolve(changes: dict[str, Any]) -> Method:
        return preparing.accepts(method, changes)

    return [f"{problem.path}: {problem.message}" for problem in selecting.mistakes(made, resolve, "classes")]


def sweep(search: dict[str, Any], **parts: Any) -> list[str]:
    return told(search=search, budget={"trials": 4}, **parts)


def test_a_choice_of_null_takes_its_metric_away() -> None:
    assert sweep({KD: {"choice": [None, CE]}}) == [f"search.{KD}: a trial with null {LACKS}"]
    assert sweep({KD: {"choice": [CE, {**CE, "temperature": 9}]}}) == []
    assert sweep({f"{KD}.temperature": {"log": [1, 9]}}) == []
    assert sweep({KD: {"choice": [None, CE]}}, objective={"metric": "loss/student/total"}) == []
    assert sweep({KD: {"choice": [None, CE]}}, objective={"metric": "kl/noise"}) == []


def test_a_constraint_is_like_an_objective() -> None:
    found = sweep(
        {KD: {"choice": [None, CE]}}, objective={"metric": "kl/noise"}, constraints={"loss/student/kd": "<= 1"}
    )
    assert found == [f"search.{KD}: a trial with null {LACKS.replace('the objective', 'a constraint')}"]


def test_what_a_choice_brings_always_is_enough() -> None:
    fixed = {KD: None, "student_loss.other": {"name": "kd"}}
    other = {"fixed": fixed, "objective": {"metric": "loss/student/kd"}}
    assert sweep({"schedule.batch": {"choice": [4, 8]}}, **other)[0].startswith("objective: no trial reports 'loss/st")
    fixed = {"student_loss.other": {"name": "kd"}}
    new = {"objective": {"metric": "loss/student/new"}, "fixed": fixed}
    assert sweep({"student_loss.new": {"choice": [CE, {**CE, "temperature": 9}]}}, **new) == []


def test_arms_and_components() -> None:
    other = {"student_loss.other": {"name": "kd"}}
    arms = {"with": {}, "without": {KD: None, **other}}
    assert told(arms=arms, seeds=2) == [f"arms.without: a trial of this {LACKS}"]
    component = {"kd": {"off": {KD: None, **other}}, "batch": {"off": {"schedule.batch": 4}}}
    assert told(components=component, design="leave_one_out", seeds=2) == [f"components.kd: a trial of this {LACKS}"]


def test_a_misspelt_one_has_its_nearest_and_a_cost_comes_second() -> None:
    (found,) = sweep({f"{KD}.temperature": {"log": [1, 9]}}, objective={"metric": "loss/student/kf", "mode": "min"})
    assert found.startswith("objective: no trial reports 'loss/student/kf'; did you mean 'loss/student/kd'?")
    assert sweep({f"{KD}.temperature": {"log": [1, 9]}}, objective={"metric": "parameters"}) == [
        "objective: parameters is a cost: it may come after a metric of each epoch, which the best is of"
    ]
    both = [{"metric": "val_accuracy"}, {"metric": "parameters"}]
    assert sweep({f"{KD}.temperature": {"log": [1, 9]}}, objective=both) == []
    assert sweep({f"{KD}.temperature": {"log": [1, 9]}}, constraints={"parameters": "<= 1e5"}) == []


@pytest.mark.parametrize("at", ["objective", "constraints"])
def test_a_source_that_asks_for_no_class_reports_no_share_of_it(at: str) -> None:
    bound = {"constraints": {"asked/source": ">= 0.1"}}
    asked = {"objective": {"metric": "asked/source"}} if at == "objective" else bound
    found = sweep({f"{KD}.temperature": {"log": [1, 9]}}, **{"objective": {"metric": "kl/noise"}, **asked})
    place = "objective" if at == "objective" else "constraints.asked/source"
    assert [each.partition(";")[0] for each in found] == [f"{place}: no trial reports 'asked/source'"]
