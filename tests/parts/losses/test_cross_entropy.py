from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.cross_entropy import CrossEntropy

STUDENT = [[2.0, 0.5, -1.0], [0.0, 1.0, 1.5]]
TEACHER = [[0.0, 5.0, 0.0], [3.0, 0.0, 0.0]]  # classes 1 and 0


def cross_entropy(labels: list[int]) -> float:
    return sum(math.log(sum(map(math.exp, row))) - row[y] for row, y in zip(STUDENT, labels)) / len(STUDENT)


def test_asked_labels_need_no_teacher(see: Any) -> None:
    signals = see(student={"logits": torch.tensor(STUDENT)}, labels=torch.tensor([0, 0]))
    assert CrossEntropy()(signals).item() == pytest.approx(cross_entropy([0, 0]))


def test_the_teachers_classes_need_no_labels(see: Any) -> None:
    signals = see(teacher={"logits": torch.tensor(TEACHER)}, student={"logits": torch.tensor(STUDENT)})
    assert CrossEntropy(target="teacher")(signals).item() == pytest.approx(cross_entropy([1, 0]))


def test_it_takes_logits_not_probabilities(see: Any) -> None:
    """Cross-entropy of a softmax is bounded below by log(1 + (K - 1) / e); that of logits is not."""
    sure = see(student={"logits": torch.tensor([[30.0, 0.0, 0.0]])}, labels=torch.tensor([0]))
    assert CrossEntropy()(sure).item() < 1e-6


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="target must be one of labels, teacher, got 'soft'"):
        CrossEntropy(target="soft")  # type: ignore[arg-type]
