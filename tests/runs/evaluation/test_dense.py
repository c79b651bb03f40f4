"""The lines of an evaluation of dense targets; that they are the network's: see tests/cli/test_dense.py."""

from __future__ import annotations

from dfkd_ray.runs.evaluation.dense import said


def test_student_and_teacher_stand_side_by_side_and_classes_below() -> None:
    student = {"miou": 0.5, "classes": {"ground": 0.75, "wing": None}}
    teacher = {"miou": 0.96, "classes": {"ground": 1.0, "wing": 0.92}}
    assert list(said({"student": student, "teacher": teacher})) == [
        "           student   teacher",
        "mean IoU    50.0 %    96.0 %",
        "  ground    75.0 %   100.0 %",
        "  wing           –    92.0 %",
    ]


def test_depths_have_three_measures() -> None:
    lines = list(said({"student": {"delta1": 0.5, "rmse": 0.25, "rel": 0.125}}))
    assert [line.split() for line in lines[1:]] == [
        ["share", "within", "1.25", "50.0", "%"],
        ["RMSE", "0.25"],
        ["relative", "error", "0.125"],
    ]
