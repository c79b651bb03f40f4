from __future__ import annotations

from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.adversarial import Adversarial
from dfkd_ray.parts.losses.logit_mse import LogitMSE


def test_it_is_the_mean_squared_error_and_spares_the_teacher(see: Any) -> None:
    t = torch.tensor([[1.0, 2.0], [0.0, -4.0]], requires_grad=True)
    s = torch.tensor([[0.0, 2.5], [1.0, 4.0]], requires_grad=True)
    value = LogitMSE()(see(teacher={"logits": t}, student={"logits": s}))
    value.backward()
    assert value.item() == pytest.approx((1 + 0.25 + 1 + 64) / 4)
    assert t.grad is None
    assert s.grad is not None
    assert (s.grad * 2).tolist() == [[-1, 0.5], [1, 8]]


def test_the_generators_counterpart_is_its_negative(see: Any) -> None:
    signals = see(teacher={"logits": torch.randn(4, 3)}, student={"logits": torch.randn(4, 3)})
    assert Adversarial("mse")(signals).item() == pytest.approx(-LogitMSE()(signals).item())
