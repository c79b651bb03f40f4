from __future__ import annotations

from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.activation import Activation


def test_it_is_minus_the_mean_magnitude(see: Any) -> None:
    embedding = torch.tensor([[1.0, -3.0, 0.0], [2.0, 0.0, -6.0]], requires_grad=True)
    value = Activation()(see(teacher={"embedding": embedding}))
    value.backward()
    assert value.item() == pytest.approx(-(1 + 3 + 2 + 6) / 6)
    assert embedding.grad is not None
    assert (-embedding.grad * 6).tolist() == [[1, -1, 0], [1, 0, -1]]
