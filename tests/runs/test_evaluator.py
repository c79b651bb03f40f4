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


def final(counts: tuple[int, int, int]) -> tuple[Run, dict[str, float]]:
    """Of a run whose teacher says 0, whose student said 1 at its best and says 2, on so many images of each class."""
    return ended(torch.arange(3).repeat_interleave(torch.tensor(counts)))


def ended(labels: torch.Tensor, teacher: int = 0, best_epoch: int = 1) -> tuple[Run, dict[str, float]]:
    """The same by the labels, at epoch 0 of the run."""
    run = opened(small())
    says(run.teacher, teacher)
    checkpoint: Any = SimpleNamespace(best_epoch=best_epoch, curve=[], best=says(run.student, 1))
    says(run.student, 2)
    task: Any = SimpleNamespace(mean=(0.5,) * 3, std=(0.25,) * 3, targets="classes")
    return run, evaluator.Evaluator(task, lambda which: datasets.Split(IMAGES, labels), run).final(checkpoint)


def test_relative_accuracy_is_the_students_over_the_teachers() -> None:
    _, found = final((20, 8, 12))
    assert (found["test_accuracy/best"], found["test_accuracy/last"]) == pytest.approx((0.2, 0.3))
    assert (found["relative_accuracy/best"], found["relative_accuracy/last"]) == pytest.approx((0.4, 0.6))


def test_a_student_may_be_better_than_its_teacher() -> None:
    assert final((10, 10, 20))[1]["relative_accuracy/last"] == pytest.approx(2)


def test_the_teacher_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    quality = measures.quality
    monkeypatch.setattr(measures, "quality", lambda net, *images: asked.append(net) or quality(net, *images))
    run, _ = final((20, 8, 12))
    assert [net is run.teacher for net in asked].count(True) == 1
    assert len(asked) == 3
    labels = torch.arange(40) % 3
    for teacher, of, evaluations in ((0, labels, 3), (0, labels, 2), (1, labels, 3), (1, labels.clone(), 3)):
        asked.clear()
        ended(of, teacher)
        assert len(asked) == evaluations, "another trial has another object of the same teacher"


def test_a_student_that_is_at_its_best_is_evaluated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    quality = measures.quality
    monkeypatch.setattr(measures, "quality", lambda net, *images: asked.append(net) or quality(net, *images))
    run, found = ended(torch.arange(40) % 3, best_epoch=0)
    assert [net is run.student for net in asked].count(True) == 1
    assert found["test_accuracy/best"] == found["test_accuracy/last"]


def test_nothing_is_relative_to_a_teacher_that_is_never_right() -> None:
    _, found = final((0, 20, 20))
    assert {name for name in found if "accuracy" in name} == {"test_accuracy/last", "test_accuracy/best"}
