from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from dfkd_ray import datasets, teachers
from dfkd_ray.datasets import Task
from dfkd_ray.nets import build
from dfkd_ray.nets.precision import Precision
from dfkd_ray.teachers import TeacherEpoch
from dfkd_ray.teachers.teach import PIXELS, accuracy, measure_batch_norms
from dfkd_ray.teachers.weights import read_card
from dfkd_ray.util.errors import DataError, TrialFailed
from dfkd_ray.util.progress import displayed


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Bright on the left or bright on the right."""
    rng, labels = np.random.default_rng(0), np.arange(60) % 2
    images = rng.integers(0, 120, (60, 8, 8, 3), dtype=np.uint8)
    for image, label in zip(images, labels):
        image[:, 4 * label : 4 * label + 4] += 120
    path = tmp_path / "data.npz"
    np.savez(path, train_images=images[:40], train_labels=labels[:40], test_images=images[40:], test_labels=labels[40:])
    return path


def test_a_teacher_its_card_and_its_reports(small: Task, data: Path, tmp_path: Path):
    epochs: list[TeacherEpoch] = []
    task = replace(small, recipe=replace(small.recipe, epochs=6))
    out = tmp_path / "new" / "small.safetensors"
    card = teachers.teach(task, out=out, data=data, report=epochs.append)
    assert [e.epoch for e in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].loss < epochs[0].loss
    assert card == read_card(out)
    assert json.loads(out.with_suffix(".json").read_text()).keys() == {*card, "seal"}
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert card["recipe"]["epochs"] == 6
    assert (card["class_names"], card["image"], card["pretrained"]) == (["left", "right"], [3, 8, 8], False)
    assert card["best_epoch"] == max(e.epoch for e in epochs if e.val_accuracy == max(f.val_accuracy for f in epochs))
    adopted = teachers.adopt(task, out)
    assert adopted.normalised_by == "the card beside small.safetensors"
    net, test = teachers.teacher(adopted), datasets.split(task, "test", data)
    accuracy = (net(datasets.normalise(task, test.images)).argmax(1) == test.labels).double().mean().item()
    assert card["accuracy"]["test"] == pytest.approx(accuracy) == adopted.teacher.test_accuracy
    assert card["accuracy"]["train"] >= 0.9


def test_the_same_seed_gives_the_same_bits(small: Task, data: Path, tmp_path: Path):
    task = replace(small, recipe=replace(small.recipe, augment="crop_flip"))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = teachers.teach(task, seed=5, out=tmp_path / "a.safetensors", data=data)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)  # the global generator plays no part
    again = teachers.teach(task, seed=5, out=tmp_path / "b.safetensors", data=data)
    other = teachers.teach(task, seed=6, out=tmp_path / "c.safetensors", data=data)
    assert first["sha256"] == again["sha256"] != other["sha256"]


def test_adamw_is_the_other_optimiser(small: Task, data: Path, tmp_path: Path):
    task = replace(small, recipe=replace(small.recipe, optimiser="adamw", lr=1e-3, label_smoothing=0.1))
    assert teachers.teach(task, out=tmp_path / "a.safetensors", data=data)["recipe"]["optimiser"] == "adamw"


def test_without_training_images(small: Task, data: Path, tmp_path: Path):
    with np.load(data) as parts:
        np.savez(tmp_path / "test.npz", images=parts["test_images"], labels=parts["test_labels"])
    with pytest.raises(DataError, match=r"test.npz, train: there is no such split"):
        teachers.teach(small, out=tmp_path / "a.safetensors", data=tmp_path / "test.npz")


def test_a_loss_that_is_not_finite_stops_the_run(small: Task, data: Path, tmp_path: Path):
    task = replace(small, recipe=replace(small.recipe, lr=1e30))
    with pytest.raises(TrialFailed, match=r"lower recipe.lr"):
        teachers.teach(task, out=tmp_path / "a.safetensors", data=data)


def test_a_place_that_cannot_be_written(small: Task, data: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        teachers.teach(small, out=tmp_path / "file" / "a.safetensors", data=data)


def test_batch_norms_hold_the_average_of_the_images(small: Task):
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    images = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    measure_batch_norms(small, net, images, batch=20)
    x = (images.double() / 255 - torch.tensor(small.mean).view(1, 3, 1, 1)) / torch.tensor(small.std).view(1, 3, 1, 1)
    halves = torch.stack([half.var((0, 2, 3)) for half in x.split(20)])
    torch.testing.assert_close(net[0].running_mean.double(), x.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net[0].running_var.double(), halves.mean(0), rtol=1e-4, atol=1e-5)
    assert (net[0].momentum, net.training) == (0.1, False)


@contextmanager
def interrupted(at: int) -> Iterator[None]:
    """Whatever is renamed for the `at`-th time (from 1) is not, and its process is gone."""
    replaced, times = os.replace, list[Path]()

    def killed(source: Path, target: Path) -> None:
        times.append(target)
        if len(times) == at:
            raise KeyboardInterrupt
        replaced(source, target)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", killed)
        yield


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("at", [1, 2, 3, 4, 5])  # the checkpoints of three epochs, the weights, the card
def test_interrupted_anywhere_and_called_again_it_ends_in_the_same_bits(
    small: Task, data: Path, tmp_path: Path, at: int
):
    task = replace(small, recipe=replace(small.recipe, augment="crop_flip", epochs=3))
    whole, out = (tmp_path / name / "t.safetensors" for name in ("whole", "parts"))
    card, epochs = teachers.teach(task, out=whole, data=data), list[TeacherEpoch]()
    with interrupted(at), pytest.raises(KeyboardInterrupt):
        teachers.teach(task, out=out, data=data)
    left = {
        1: [],
        4: ["t.checkpoint", "t_before.checkpoint"],
        5: ["t.checkpoint", "t.safetensors", "t_before.checkpoint"],
    }
    assert files(out.parent) == left.get(at, ["t.checkpoint", "t_before.checkpoint"])
    torch.rand(3)  # the global generator plays no part
    again = teachers.teach(task, out=out, data=data, report=epochs.append)
    assert out.read_bytes() == whole.read_bytes()
    assert again | {"seconds": 0} == card | {"seconds": 0}
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3], "those before the interruption are told again"
    assert [a.seconds < b.seconds for a, b in pairwise(epochs)] == [True, True]
    assert files(out.parent) == ["t.json", "t.safetensors"]


def test_each_step_is_told(small: Task, data: Path, tmp_path: Path):
    steps: list[tuple[int | None, int]] = []

    @contextmanager
    def display(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        yield lambda done: steps.append((total, done))

    with displayed(display):
        teachers.teach(small, out=tmp_path / "a.safetensors", data=data)
    assert steps == [(10, done) for done in range(1, 11)]  # 36 images in batches of 8, 2 epochs


def test_a_teacher_that_is_there_is_not_trained_again(small: Task, data: Path, tmp_path: Path):
    out, epochs = tmp_path / "t.safetensors", list[TeacherEpoch]()
    first = teachers.teach(small, out=out, data=data)
    assert teachers.teach(small, out=out, data=data, report=epochs.append) == first
    assert epochs == []
    assert teachers.teach(small, out=out, data=data, fresh=True, report=epochs.append)["sha256"] == first["sha256"]
    assert len(epochs) == 2


def test_another_teacher_or_a_damaged_one_is_not_written_over(small: Task, data: Path, tmp_path: Path):
    out = tmp_path / "t.safetensors"
    teachers.teach(small, out=out, data=data)
    held = out.read_bytes()
    other = replace(small.recipe, lr=0.5, augment="flip")
    with pytest.raises(DataError, match=r"seed 0 there, 1 here\): --fresh trains another in its place, --out"):
        teachers.teach(small, seed=1, out=out, data=data)
    with pytest.raises(DataError, match=r"recipe.lr 0.05 there, 0.5 here; recipe.augment none there, flip here"):
        teachers.teach(small, recipe=other, out=out, data=data)
    with pytest.raises(DataError, match=r"\(another class_names\)"):
        teachers.teach(replace(small, classes=("right", "left")), out=out, data=data)
    assert out.read_bytes() == held
    out.write_bytes(held[:-1] + b"?")
    with pytest.raises(DataError, match="damaged, or not the file of its card"):
        teachers.teach(small, out=out, data=data)
    out.with_suffix(".json").unlink()
    with pytest.raises(DataError, match="without a card"):
        teachers.teach(small, out=out, data=data)


def test_a_teacher_is_named_as_safetensors(small: Task, data: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"t.pt: a teacher is written as .safetensors"):
        teachers.teach(small, out=tmp_path / "t.pt", data=data)


def test_a_full_disk_loses_no_epoch(small: Task, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    out, synced, full = tmp_path / "out" / "t.safetensors", os.fsync, list[int]()

    def fsync(handle: int) -> None:
        synced(handle)
        full.append(handle)
        if len(full) in (2, 4):  # the second epoch's checkpoint, and the weights
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left on device") as caught:
        teachers.teach(small, out=out, data=data)
    assert caught.value.filename == str(out.with_suffix(".checkpoint"))
    with pytest.raises(DataError, match=r"t.safetensors: the teacher cannot be written: .*No space left"):
        teachers.teach(small, out=out, data=data)
    assert files(out.parent) == ["t.checkpoint", "t_before.checkpoint"]
    assert teachers.teach(small, out=out, data=data)["accuracy"].keys() == {"train", "val", "test"}


def test_a_task_without_a_test_split(small: Task, data: Path, tmp_path: Path):
    with np.load(data) as parts:
        np.savez(tmp_path / "train.npz", **{key: parts[key] for key in ("train_images", "train_labels")})
    card = teachers.teach(small, out=tmp_path / "a.safetensors", data=tmp_path / "train.npz")
    assert card["accuracy"].keys() == {"train", "val"}


def test_lower_precision_is_autocast_and_the_weights_stay_float32(small: Task, data: Path, tmp_path: Path):
    cards = {}
    for precision in get_args(Precision):
        out = tmp_path / f"{precision}.safetensors"
        cards[precision] = teachers.teach(small, out=out, data=data, precision=precision)
        assert {value.dtype for value in load_file(out).values()} <= {torch.float32, torch.int64}
    assert len({card["sha256"] for card in cards.values()}) == 3
    assert [card["precision"] for card in cards.values()] == list(get_args(Precision))
    assert cards["mixed"]["sha256"] == cards["bfloat16"]["sha256"], "on a CPU mixed is bfloat16"


def test_from_imagenets_weights_by_the_other_recipe(
    small: Task, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def opened(arch: str, classes: int, channels: int, pretrained: bool) -> torch.nn.Module:
        net = build(arch, classes, channels)
        torch.nn.init.constant_(net.get_parameter("conv1.weight"), 0.5 if pretrained else 0.0)
        return net

    monkeypatch.setattr(import_module("dfkd_ray.teachers.teach"), "build", opened)
    task = replace(small, fine_tuning=replace(small.recipe, epochs=1, lr=1e-12, weight_decay=0.0))
    card = teachers.teach(task, pretrained=True, out=tmp_path / "a.safetensors", data=data)
    assert (card["pretrained"], card["recipe"]["epochs"], card["recipe"]["lr"]) == (True, 1, 1e-12)
    assert load_file(tmp_path / "a.safetensors")["conv1.weight"].unique().tolist() == [0.5]


def test_a_task_without_fine_tuning_takes_a_tenth_of_the_learning_rate(small: Task):
    assert small.recipe_from(pretrained=False) == small.recipe
    assert small.recipe_from(pretrained=True) == replace(small.recipe, lr=0.005)
    tuned = replace(small.recipe, epochs=7)
    assert replace(small, fine_tuning=tuned).recipe_from(pretrained=True) == tuned


def test_larger_images_are_measured_in_smaller_batches(small: Task):
    seen: list[int] = []

    class Counting(torch.nn.Linear):
        def forward(self, x: Tensor) -> Tensor:
            seen.append(len(x))
            return super().forward(x.mean((2, 3)))

    for side, expected in {32: [500, 2], 224: [PIXELS // 224**2, 2]}.items():
        images = torch.zeros(sum(expected), 3, 1, 1, dtype=torch.uint8).expand(-1, -1, side, side)
        split = datasets.Split(images, torch.zeros(len(images), dtype=torch.int64))
        accuracy(replace(small, image=(3, side, side)), Counting(3, 2), split)
        assert seen == expected
        seen.clear()
