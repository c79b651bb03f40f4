"""What is taken at the end of a run; `test_distillation.py` holds the rest, by whole jobs."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray import datasets
from dfkd_ray.runs import evaluator, measures
from dfkd_ray.train.run import Run
from tests.tiny import IMAGE, opened, small

IMAGES = torch.randint(256, (40, *IMAGE), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def says(net: Any, label: int) -> dict[str, torch.Tensor]:
    """The state of a net that from now on gives all images that class."""
    nn.init.zeros_(net.head.weight)
    with torch.no_grad():
        net.head.bias.copy_(torch.arange(len(net.head.bias)) == label)
    return {key: value.clone() for key, value in net.state_dict().items()}


def final(monkeypatch: pytest.MonkeyPatch, counts: tuple[int, int, int]) -> tuple[Run, dict[str, float]]:
    """Of a run whose teacher says 0, whose student said 1 at its best and says 2, on so many images of each class."""
    run = opened(small())
    says(run.teacher, 0)
    checkpoint: Any = SimpleNamespace(best_epoch=1, curve=[], best=says(run.student, 1))
    says(run.student, 2)
    labels = torch.arange(3).repeat_interleave(torch.tensor(counts))
    task: Any = SimpleNamespace(mean=(0.5,) * 3, std=(0.25,) * 3, targets="classes")
    return run, evaluator.Evaluator(task, lambda which: datasets.Split(IMAGES, labels), run).final(checkpoint)


def test_relative_accuracy_is_the_students_over_the_teachers(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = final(monkeypatch, (20, 8, 12))
    assert (found["test_accuracy/best"], found["test_accuracy/last"]) == pytest.approx((0.2, 0.3))
    assert (found["relative_accuracy/best"], found["relative_accuracy/last"]) == pytest.approx((0.4, 0.6))


def test_a_student_may_be_better_than_its_teacher(monkeypatch: pytest.MonkeyPatch) -> None:
    assert final(monkeypatch, (10, 10, 20))[1]["relative_accuracy/last"] == pytest.approx(2)


def test_the_teacher_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    quality = measures.quality
    monkeypatch.setattr(measures, "quality", lambda net, *images: asked.append(net) or quality(net, *images))
    run, _ = final(monkeypatch, (20, 8, 12))
    assert [net is run.teacher for net in asked].count(True) == 1
    assert len(asked) == 3


def test_nothing_is_relative_to_a_teacher_that_is_never_right(monkeypatch: pytest.MonkeyPatch) -> None:
    _, found = final(monkeypatch, (0, 20, 20))
    assert {name for name in found if "accuracy" in name} == {"test_accuracy/last", "test_accuracy/best"}
