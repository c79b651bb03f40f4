"""The tables of an evaluation, against numpy on the logits of the same networks."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from dfkd_ray import datasets
from dfkd_ray.runs.evaluation import Evaluation
from dfkd_ray.runs.students import Distilled, Network
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util import tables
from dfkd_ray.util.errors import DataError
from tests.tiny import CLASSES, IMAGE, toy

TASK = datasets.Task(
    name="squares",
    reader="npz",
    classes=tuple("abcde"),
    image=IMAGE,
    mean=(0.5,) * 3,
    std=(0.25,) * 3,
    teacher=datasets.TeacherRef("resnet8"),
    student="resnet8",
)
COUNT = 60


def network(net: nn.Module, task: datasets.Task = TASK) -> Network:
    return Network("toy", net.eval().requires_grad_(False), Path("toy.safetensors"), task)


@pytest.fixture(scope="module")
def part() -> datasets.Split:
    rng = torch.Generator().manual_seed(5)
    patches = torch.randint(0, 256, (COUNT, 3, 2, 2), generator=rng).to(torch.uint8)
    images = patches.repeat_interleave(8, 2).repeat_interleave(8, 3)
    return datasets.Split(images, torch.arange(COUNT) % CLASSES)


@pytest.fixture(scope="module")
def both() -> Distilled:
    """The teacher was trained to see the images otherwise."""
    return Distilled(network(toy(1)), network(toy(2), replace(TASK, mean=(0.2,) * 3, std=(0.5,) * 3)))


@pytest.fixture(scope="module")
def made(both: Distilled, part: datasets.Split) -> dict[str, Any]:
    pytest.importorskip("sklearn")
    return Evaluation(both, part, Runtime("cpu")).tables({"split": "test"})


def probabilities(net: nn.Module, part: datasets.Split, mean: float, std: float) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        logits = net((part.images.float() / 255 - mean) / std).double()
    return logits.softmax(1).numpy()


def test_a_row_an_image_each_network_by_its_own_normalisation(
    both: Distilled, part: datasets.Split, made: dict[str, Any]
) -> None:
    assert both.teacher is not None
    p = {
        "student": probabilities(both.student.net, part, 0.5, 0.25),
        "teacher": probabilities(both.teacher.net, part, 0.2, 0.5),
    }
    rows = made["evaluation"].to_pydict()
    assert rows["index"] == list(range(COUNT))
    assert rows["label"] == part.labels.tolist()
    for name, own in p.items():
        assert rows[name] == own.argmax(1).tolist()
        assert rows[f"{name}_confidence"] == pytest.approx(own.max(1), abs=1e-5)
        higher = (own > own[np.arange(COUNT), part.labels.numpy()][:, None]).sum(1)
        assert rows[f"{name}_rank"] == higher.tolist()
        assert all(np.isfinite(rows[f"{name}_{axis}"]).all() for axis in "xy")
    kl = (p["teacher"] * np.log(p["teacher"] / p["student"])).sum(1)
    assert rows["kl"] == pytest.approx(kl, rel=1e-3, abs=1e-5)
    measures = tables.metadata(made["evaluation"])["measures"]
    assert measures["kl"] == pytest.approx(kl.mean(), rel=1e-4)
    assert measures["agreement"] == pytest.approx(np.mean(np.equal(rows["student"], rows["teacher"])))
    for name, own in p.items():
        assert measures[name]["top1"] == pytest.approx((own.argmax(1) == part.labels.numpy()).mean())
        assert measures[name]["top5"] is None
    pair = measures["confused"][0]
    took = [row for row, label in zip(rows["student"], rows["label"]) if label == pair["label"]]
    assert (pair["images"], pair["of"]) == (took.count(pair["named"]), len(took))
    beside = [row for row, label in zip(rows["teacher"], rows["label"]) if label == pair["label"]]
    assert pair["teacher"] == beside.count(pair["named"])


def test_pictures_are_of_the_images_and_of_where_both_look(part: datasets.Split, made: dict[str, Any]) -> None:
    rows = made["examples"].to_pylist()
    kinds = {what: {row["index"] for row in rows if row["what"] == what} for what in ("image", "student", "teacher")}
    assert kinds["student"] == kinds["teacher"] <= kinds["image"]
    assert 4 <= len(kinds["student"]) <= 8
    for row in rows[:3]:
        pixels = np.asarray(Image.open(io.BytesIO(row["picture"])).convert("RGB")).astype(float)
        assert pixels.shape == (16, 16, 3)
        original = part.images[row["index"]].permute(1, 2, 0).numpy()
        assert np.corrcoef(pixels.mean(2).ravel(), original.mean(2).ravel())[0, 1] > 0.8


def test_without_a_teacher_its_columns_are_empty(part: datasets.Split, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.manifold", None)
    foreign = nn.Sequential(nn.Flatten(), nn.Linear(3 * 16 * 16, CLASSES))
    made = Evaluation(Distilled(network(foreign), None), part, Runtime("cpu")).tables({})
    note = tables.metadata(made["evaluation"])
    for column in ("teacher", "teacher_confidence", "teacher_x", "kl", "student_x"):
        assert made["evaluation"][column].null_count == COUNT
    assert "teacher" not in note["measures"]
    assert "scikit-learn" in note["plane"]["missing"]
    assert note["looks"]["missing"] == {"student": "the stages of toy are not known"}
    assert {row["what"] for row in made["examples"].to_pylist()} == {"image"}


def test_logits_that_are_not_finite_are_an_error(part: datasets.Split) -> None:
    broken = toy(3)
    with torch.no_grad():
        broken.head.bias.fill_(torch.nan)
    with pytest.raises(DataError, match=r"toy\.safetensors: the student's logits are not finite"):
        Evaluation(Distilled(network(broken), None), part, Runtime("cpu"))


def test_a_handful_of_images(part: datasets.Split) -> None:
    few = datasets.Split(part.images[:2], part.labels[:2])
    made = Evaluation(Distilled(network(toy(1)), None), few, Runtime("cpu")).tables({})
    assert made["evaluation"].num_rows == 2
    assert tables.metadata(made["evaluation"])["plane"]["missing"] == "too few images"
