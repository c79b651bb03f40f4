from __future__ import annotations

from typing import Any

import pytest
import torch

from dfkd_ray.parts.losses.logit_l1 import LogitL1


def test_it_is_the_mean_absolute_error_and_spares_the_teacher(see: Any) -> None:
    t = torch.tensor([[1.0, 2.0], [0.0, -4.0]], requires_grad=True)
    s = torch.tensor([[0.0, 2.5], [1.0, 4.0]], requires_grad=True)
    value = LogitL1()(see(teacher={"logits": t}, student={"logits": s}))
    value.backward()
    assert value.item() == pytest.approx((1 + 0.5 + 1 + 8) / 4)
    assert t.grad is None
    assert s.grad is not None
    assert (s.grad * 4).tolist() == [[-1, 1], [1, 1]]
