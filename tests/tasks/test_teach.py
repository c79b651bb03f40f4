from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dfkd_ray import tasks
from dfkd_ray.errors import DataError, TrialFailed
from dfkd_ray.tasks import Epoch, Task
from dfkd_ray.tasks.teach import _crop_flip, _dihedral, _flip, measure_batch_norms


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
    epochs: list[Epoch] = []
    task = replace(small, recipe=replace(small.recipe, epochs=6))
    out = tmp_path / "new" / "small.safetensors"
    card = tasks.teach(task, out=out, data=data, report=epochs.append)
    assert [e.epoch for e in epochs] == [1, 2, 3, 4, 5, 6]
    assert epochs[-1].loss < epochs[0].loss
    assert card == json.loads(out.with_suffix(".json").read_text())
    assert card["sha256"] == hashlib.sha256(out.read_bytes()).hexdigest()
    assert card["recipe"]["epochs"] == 6
    assert card["best_epoch"] == max(e.epoch for e in epochs if e.val_accuracy == max(f.val_accuracy for f in epochs))
    adopted = tasks.adopt(task, out)
    assert adopted.normalised_by == "the card beside small.safetensors"
    net, test = tasks.teacher(adopted), tasks.split(task, "test", data)
    accuracy = (net(tasks.normalise(task, test.images)).argmax(1) == test.labels).double().mean().item()
    assert card["accuracy"]["test"] == pytest.approx(accuracy) == adopted.teacher.test_accuracy
    assert card["accuracy"]["train"] >= 0.9


def test_the_same_seed_gives_the_same_bits(small: Task, data: Path, tmp_path: Path):
    task = replace(small, recipe=replace(small.recipe, augment="crop_flip"))
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = tasks.teach(task, seed=5, out=tmp_path / "a.safetensors", data=data)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)  # the global generator plays no part
    again = tasks.teach(task, seed=5, out=tmp_path / "b.safetensors", data=data)
    other = tasks.teach(task, seed=6, out=tmp_path / "c.safetensors", data=data)
    assert first["sha256"] == again["sha256"] != other["sha256"]


def test_adamw_is_the_other_optimiser(small: Task, data: Path, tmp_path: Path):
    task = replace(small, recipe=replace(small.recipe, optimiser="adamw", lr=1e-3, label_smoothing=0.1))
    assert tasks.teach(task, out=tmp_path / "a.safetensors", data=data)["recipe"]["optimiser"] == "adamw"


def test_without_training_images(small: Task, data: Path, tmp_path: Path):
    with np.load(data) as parts:
        np.savez(tmp_path / "test.npz", images=parts["test_images"], labels=parts["test_labels"])
    with pytest.raises(DataError, match=r"test.npz, train: there is no such split"):
        tasks.teach(small, out=tmp_path / "a.safetensors", data=tmp_path / "test.npz")


def test_a_loss_that_is_not_finite_stops_the_run(small: Task, data: Path, tmp_path: Path):
    task = replace(small, recipe=replace(small.recipe, lr=1e30))
    with pytest.raises(TrialFailed, match=r"lower recipe.lr"):
        tasks.teach(task, out=tmp_path / "a.safetensors", data=data)


def test_a_place_that_cannot_be_written(small: Task, data: Path, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        tasks.teach(small, out=tmp_path / "file" / "a.safetensors", data=data)


def test_batch_norms_hold_the_average_of_the_images(small: Task):
    net = torch.nn.Sequential(torch.nn.BatchNorm2d(3))
    images = torch.randint(0, 256, (40, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    measure_batch_norms(small, net, images, batch=20)
    x = (images.double() / 255 - torch.tensor(small.mean).view(1, 3, 1, 1)) / torch.tensor(small.std).view(1, 3, 1, 1)
    halves = torch.stack([half.var((0, 2, 3)) for half in x.split(20)])
    torch.testing.assert_close(net[0].running_mean.double(), x.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net[0].running_var.double(), halves.mean(0), rtol=1e-4, atol=1e-5)
    assert (net[0].momentum, net.training) == (0.1, False)


def test_augmentations_move_pixels_and_invent_none():
    images = torch.arange(2 * 3 * 16).view(2, 3, 4, 4).to(torch.uint8)
    rng = torch.Generator().manual_seed(0)
    turned = torch.stack([images.rot90(k, (2, 3)) for k in range(4)])
    allowed = torch.cat([turned, turned.flip(4)])
    seen = set()
    for _ in range(60):
        out = _dihedral(images, rng)
        hits = [int(i) for i in range(8) if torch.equal(allowed[i, 0], out[0])]
        assert len(hits) == 1
        seen.update(hits)
        assert torch.equal(_flip(images, rng).sort(dim=3).values, images.sort(dim=3).values)
    assert len(seen) == 8


def test_a_crop_is_a_shifted_image():
    images = torch.randint(1, 256, (3, 1, 6, 6), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    padded = torch.nn.functional.pad(images, (2,) * 4)
    shifts = {(i, j): padded[:, :, i : i + 6, j : j + 6] for i in range(5) for j in range(5)}
    rng, seen = torch.Generator().manual_seed(0), set()
    for _ in range(40):
        out = _crop_flip(images, rng, border=2)
        for n in range(3):
            hits = {k for k, s in shifts.items() if torch.equal(s[n], out[n]) or torch.equal(s[n].flip(2), out[n])}
            assert len(hits) == 1
            seen |= hits
    assert len(seen) > 15
