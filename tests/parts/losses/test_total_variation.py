from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.total_variation import TotalVariation

STEPS = ((0, 1), (1, 0), (1, 1), (1, -1))


def differences(x: Any, down: int, right: int) -> list[float]:
    """x at a pixel minus x at its neighbour, over the whole batch, pixel by pixel."""
    batch, channels, height, width = x.shape
    found = []
    for b in range(batch):
        for c in range(channels):
            for i in range(height - down):
                for j in range(width):
                    if 0 <= j + right < width:
                        found.append(x[b, c, i, j].item() - x[b, c, i + down, j + right].item())
    return found


def test_both_norms_are_the_formula(see: Any) -> None:
    x = torch.randn(2, 3, 4, 5, dtype=torch.float64)
    each = [differences(x, *step) for step in STEPS]
    l2 = sum(math.sqrt(sum(d * d for d in values)) for values in each)
    l1 = sum(sum(map(abs, values)) / len(values) for values in each)
    assert TotalVariation()(see(images=x)).item() == pytest.approx(l2)
    assert TotalVariation(norm="l1")(see(images=x)).item() == pytest.approx(l1)


@pytest.mark.parametrize("norm", ["l1", "l2"])
def test_a_flat_image_has_none(see: Any, norm: Any) -> None:
    x = torch.full((2, 1, 4, 4), 0.7, requires_grad=True)
    value = TotalVariation(norm=norm)(see(images=x))
    value.backward()
    assert value.item() == 0
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="norm must be one of l2, l1, got 'l3'"):
        TotalVariation(norm="l3")  # type: ignore[arg-type]
