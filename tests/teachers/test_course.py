from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.datasets import Task, Training
from dfkd_ray.nets.precision import LossScaler
from dfkd_ray.teachers.course import Course, differences
from dfkd_ray.util.errors import ConfigError, DataError, TrialFailed
from tests.tiny import pretended_gpu

OF = {"arch": "toy", "recipe": {"lr": 0.1, "batch": 8}, "class_names": ["a", "b"]}


def toy() -> nn.Module:
    torch.manual_seed(0)
    conv = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last)
    return nn.Sequential(conv, nn.BatchNorm2d(4), nn.Flatten(), nn.Dropout(0.5), nn.Linear(144, 2))


@pytest.fixture
def training() -> Training:
    images = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))

    def draw(index: Tensor, rng: torch.Generator) -> Tensor:
        return images[index].roll(int(torch.randint(0, 8, (), generator=rng)), 3)

    return Training(torch.arange(20) % 2, draw)


def course(task: Task, **changes: Any) -> Course:
    return Course(task, toy(), **{"count": 20, "seed": 3, "precision": "float32"} | changes)


def walked(made: Course, training: Training, epochs: int) -> list[float]:
    """The losses of so many epochs; the first of all is the best."""
    losses = []
    for _ in range(epochs):
        losses.append(made.train(training, lambda done: None))
        made.note(losses[-1], 0.5 - 0.1 * len(made.epochs), 1.0)
    return losses


@pytest.mark.parametrize("precision", ["float32", "float16"])
def test_dropout_augmentation_and_loss_scale_go_on_in_the_same_bits(
    small: Task, training: Training, tmp_path: Path, precision: str
):
    straight = course(small, precision=precision)
    losses = walked(straight, training, 2)
    broken = course(small, precision=precision)
    assert walked(broken, training, 1) == losses[:1]
    broken.save(tmp_path / "c", OF)
    again = course(small, precision=precision)
    torch.rand(7)  # the global generator plays no part
    again.restore(tmp_path / "c", OF)
    assert (again.epochs, again.best_epoch, again.seconds) == (broken.epochs, 1, 1.0)
    assert walked(again, training, 1) == losses[1:]
    for name, value in straight.net.state_dict().items():
        assert torch.equal(value, again.net.state_dict()[name]), name
    assert all(torch.equal(value, again.best[name]) for name, value in broken.best.items())
    assert again.scaler.state_dict() == straight.scaler.state_dict()


def test_a_step_that_overflows_moves_nothing_and_is_counted(small: Task, training: Training):
    made = course(small, precision="float16")
    made.scaler = LossScaler("float16", made.device, first=2.0**120)
    before = {name: value.clone() for name, value in made.net.named_parameters()}
    with warnings.catch_warnings(action="error"):  # torch warns of a schedule that moves before the optimiser
        made._step(training.draw(torch.arange(8), made.rng), training.labels[:8])
    assert made.scaler.skipped == 1
    assert all(torch.equal(value, before[name]) for name, value in made.net.named_parameters())


def test_the_best_epoch_is_kept_the_later_one_of_equals(small: Task):
    made = course(small)
    for number, accuracy in enumerate([0.2, 0.7, 0.7, 0.3], start=1):
        nn.init.constant_(made.net[4].bias, number)  # type: ignore[index, arg-type]
        made.note(1.0, accuracy, float(number))
    assert (made.best_epoch, made.best_accuracy, made.best["4.bias"].tolist()) == (3, 0.7, [3.0, 3.0])


def test_without_a_checkpoint_it_begins_and_torn_ones_are_removed(small: Task, tmp_path: Path):
    (tmp_path / ".c.123").write_bytes(b"torn")
    made = course(small)
    made.restore(tmp_path / "c", OF)
    assert made.epochs == []
    assert not list(tmp_path.iterdir())


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_goes_on(
    small: Task, training: Training, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path, made = tmp_path / "c", course(small)
    for _ in range(2):
        walked(made, training, 1)
        made.save(path, OF)
    for content in (b"", b"nothing", path.read_bytes()[:-400]):
        path.write_bytes(content)
        again = course(small)
        again.restore(path, OF)
        assert len(again.epochs) == 1
        assert "c: a damaged checkpoint, removed: the one before it goes on" in capsys.readouterr().err
    (tmp_path / "c_before").write_bytes(b"nothing")
    again = course(small)
    again.restore(path, OF)
    assert again.epochs == []
    assert "it begins anew" in capsys.readouterr().err


def test_a_checkpoint_of_another_training_is_refused(small: Task, tmp_path: Path):
    made = course(small)
    made.save(tmp_path / "c", OF)
    with pytest.raises(DataError, match=r"of another training \(arch toy there, other here\); --fresh begins anew"):
        made.restore(tmp_path / "c", OF | {"arch": "other"})


def test_differences_in_words():
    there = {"recipe": {"lr": 0.1, "batch": 8}, "class_names": ["a", "b"], "arch": "x", "sha256": "ab"}
    here = {"recipe": {"lr": 0.2, "batch": 8}, "class_names": ["b"], "arch": "x", "image": [3, 8, 8]}
    assert differences(there, here) == "recipe.lr 0.1 there, 0.2 here; another class_names"
    assert differences(there, there) == differences({}, here) == ""


def test_too_large_a_batch_says_so(small: Task, training: Training, monkeypatch: pytest.MonkeyPatch):
    def full(self: nn.Module, x: Tensor) -> Tensor:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(nn.Linear, "forward", full)
    with pytest.raises(TrialFailed, match=r"a batch of 8 images does not fit the memory of cpu: lower recipe.batch"):
        course(small).train(training, lambda done: None)


def test_a_gpu_without_bfloat16_is_told_what_to_take(small: Task, monkeypatch: pytest.MonkeyPatch):
    net, old = toy(), pretended_gpu(monkeypatch, bfloat16=False)
    monkeypatch.setattr(net, "parameters", lambda: iter([type("P", (), {"device": old})]))
    with pytest.raises(ConfigError, match=r"^precision: cuda:0 does not compute in bfloat16: take float16$"):
        Course(small, net, 20, 0, "bfloat16")
