from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.entropy import Entropy


def oracle(rows: list[list[float]]) -> float:
    """sum_k p_k log p_k of the mean prediction."""
    predictions = [[math.exp(v) / sum(map(math.exp, row)) for v in row] for row in rows]
    mean = [sum(column) / len(rows) for column in zip(*predictions)]
    return sum(p * math.log(p) for p in mean)


def test_it_is_the_formula(see: Any) -> None:
    logits = torch.randn(6, 4, dtype=torch.float64) * 2
    assert Entropy()(see(teacher={"logits": logits})).item() == pytest.approx(oracle(logits.tolist()))


def test_a_temperature_softens_the_predictions(see: Any) -> None:
    logits = torch.randn(6, 4, dtype=torch.float64) * 2
    assert Entropy(temperature=5.0)(see(teacher={"logits": logits})).item() == pytest.approx(
        oracle((logits / 5).tolist())
    )
    with pytest.raises(ValueError, match="temperature must be > 0, got 0"):
        Entropy(temperature=0)


def test_the_mean_is_balanced_not_each_image(see: Any) -> None:
    sure = 50 * torch.eye(4)
    assert Entropy()(see(teacher={"logits": sure})).item() == pytest.approx(-math.log(4))
    assert Entropy()(see(teacher={"logits": sure[:1].expand(4, 4)})).item() == pytest.approx(0, abs=1e-6)


def test_a_class_that_underflows_makes_no_nan(see: Any) -> None:
    logits = torch.tensor([[0.0, 0.0, -1e4], [1.0, 0.0, -1e4]], requires_grad=True)
    Entropy()(see(teacher={"logits": logits})).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()
    assert logits.grad.abs().max() > 0
