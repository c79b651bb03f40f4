"""The lines of an evaluation of dense targets; that they are the network's: see tests/cli/test_dense.py."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from dfkd_ray import datasets
from dfkd_ray.runs.evaluation.dense import DenseEvaluation, said
from dfkd_ray.runs.students import Distilled, Network
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util import tables
from dfkd_ray.util.errors import DataError


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


def flat(values: list[float], side: int = 4) -> Tensor:
    """Maps (N, side, side) of one value each."""
    return torch.tensor(values)[:, None, None].expand(-1, side, side).clone()


class Told(nn.Module):
    """Tells a position what its grey level is: as a depth, or the class of that number among three."""

    def __init__(self, depth: bool) -> None:
        super().__init__()
        self.depth, self.scale = depth, nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        grey = x.mean(1, keepdim=True) * 255 * self.scale
        if self.depth:
            return grey
        return -(grey - torch.arange(3.0)[:, None, None]).square()


def evaluated(targets: Any, labels: Tensor, images: Tensor, scale: float = 1.0) -> DenseEvaluation:
    task = replace(
        datasets.load("gliders_depth" if targets == "depth" else "gliders_parts"),
        classes=("depth",) if targets == "depth" else ("ground", "wing", "tail"),
        image=(3, 4, 4),
        mean=(0.0,) * 3,
        std=(1.0,) * 3,
    )
    net = Told(targets == "depth").eval().requires_grad_(False)
    net.scale.fill_(scale)
    both = Network("told", net, Path("told.pt"), task)
    part = datasets.Split(images[:, None].expand(-1, 3, -1, -1).to(torch.uint8), labels)
    return DenseEvaluation(Distilled(both, both), part, Runtime("cpu"))


def test_a_segmentation_as_tables_and_pictures() -> None:
    """Image 0 is told right, half of image 1, nothing of image 2."""
    images, labels = flat([0, 1, 2]), flat([0, 1, 1]).to(torch.uint8)
    labels[1, :2] = 0
    made = evaluated("segmentation", labels, images).tables({"split": "test"})
    rows = made["dense"].to_pylist()
    assert [row["student"] for row in rows] == pytest.approx([1.0, 0.25, 0.0])  # of image 1: 8 / 16 and 0 / 8
    note = tables.metadata(made["dense"])
    assert note["positions"] == {"ground": 24, "wing": 24, "tail": 0}
    assert note["measures"]["student"]["classes"] == pytest.approx({"ground": 16 / 24, "wing": 8 / 32, "tail": 0})
    shown = made["examples"].to_pylist()
    assert [row["index"] for row in shown if row["what"] == "image"] == [2, 1, 0], "the worst first"
    assert {row["what"] for row in shown} == {"class", "image", "target", "student", "teacher"}
    pixels = {(row["index"], row["what"]): np.asarray(Image.open(io.BytesIO(row["picture"]))) for row in shown}
    colours = [pixels[k, "class"][0, 0].tolist() for k in range(3)]
    assert len({*map(tuple, colours)}) == 3
    assert pixels[1, "target"][:2].reshape(-1, 3).tolist() == [colours[0]] * 8
    assert pixels[1, "student"].reshape(-1, 3).tolist() == [colours[1]] * 16


def test_a_depth_as_tables_and_pictures() -> None:
    images, labels = flat([10, 20, 40]), flat([10.0, 22.0, 30.0])
    made = evaluated("depth", labels, images).tables({})
    assert [row["student"] for row in made["dense"].to_pylist()] == pytest.approx([0, 2, 10], abs=1e-4)
    note = tables.metadata(made["dense"])
    assert note["of_image"] == "rmse"
    assert note["depths"] == pytest.approx([10, 30], abs=1)
    shown = {(row["index"], row["what"]): row["picture"] for row in made["examples"].to_pylist()}
    assert [index for index, what in shown if what == "image"] == [2, 1, 0]
    assert np.asarray(Image.open(io.BytesIO(shown[2, "student"])))[0, 0].tolist() == [253, 231, 37], "far is yellow"
    assert np.asarray(Image.open(io.BytesIO(shown[0, "target"])))[0, 0].tolist() == [68, 1, 84]


def test_outputs_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match=r"told.pt: the student's outputs are not finite: it diverged, or is damaged"):
        evaluated("depth", flat([1.0]), flat([1]), scale=float("nan"))
