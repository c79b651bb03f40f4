"""What the commands that plan a study ask of a probe."""

from __future__ import annotations

from typing import Any

from dfkd_ray.methods import config
from dfkd_ray.runs import running
from dfkd_ray.runs.probe import StepSeconds
from dfkd_ray.runs.study_file import open_document
from dfkd_ray.util.yamls import Document


def costs(**arms: dict[str, Any]) -> dict[str, float]:
    """Seconds of a trial of each arm, where a step of the student takes 1 s and one of the source 10 s."""
    raw = {"study": "a", "method": "noise_kd", "task": "gliders", "objective": {"metric": "val_accuracy"}, "seeds": 3}
    study, work = open_document(Document({**raw, "fixed": {"schedule.epochs": 2, "schedule.rounds": 3}, "arms": arms}))
    alone = running.lone_arms(study, work, running.duplicates(study, work))
    return {arm: StepSeconds(10.0, 1.0, 0.0).trial(method.schedule) for arm, method in alone.items()}


def test_each_arm_is_probed_where_methods_or_lengths_differ() -> None:
    student = config.load("noise_kd").schedule.student_steps
    longer = costs(one={}, two={"schedule.epochs": 4}, again={"schedule.epochs": 4})
    assert longer == {"one": 6.0 * student, "two": 12.0 * student}, "what is one method is run, and measured, once"
    dfad = config.load("dfad").schedule
    found = costs(one={}, two={"method": "dfad"})
    assert found == {"one": 6.0 * student, "two": 6.0 * (10 * dfad.source_steps + dfad.student_steps)}


def test_one_measurement_is_enough_where_arms_are_as_long_as_the_method() -> None:
    assert costs(one={}, two={"student_loss.kd.temperature": 2.0}) == {}
