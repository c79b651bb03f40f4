from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.onehot import OneHot

LOGITS = [[2.0, 0.5, -1.0], [0.0, 1.0, 1.5]]


def cross_entropy(rows: list[list[float]], labels: list[int]) -> float:
    return sum(math.log(sum(map(math.exp, row))) - row[y] for row, y in zip(rows, labels)) / len(rows)


def test_labels_and_the_teachers_own_argmax(see: Any) -> None:
    signals = see(teacher={"logits": torch.tensor(LOGITS)}, labels=torch.tensor([1, 0]))
    assert OneHot()(signals).item() == pytest.approx(cross_entropy(LOGITS, [1, 0]))
    assert OneHot(target="teacher")(signals).item() == pytest.approx(cross_entropy(LOGITS, [0, 2]))


def test_the_argmax_needs_no_labels(see: Any) -> None:
    signals = see(teacher={"logits": torch.tensor(LOGITS)})
    assert OneHot(target="teacher")(signals).isfinite()
    with pytest.raises(AttributeError, match="labels"):
        OneHot()(signals)


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="target must be one of labels, teacher, got 'student'"):
        OneHot(target="student")  # type: ignore[arg-type]
