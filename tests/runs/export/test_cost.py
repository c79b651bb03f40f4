from __future__ import annotations

import pytest
import torch

from dfkd_ray import nets
from dfkd_ray.runs.export.cost import cost
from dfkd_ray.runs.students import Network
from dfkd_ray.train.runtime import Runtime


def test_what_a_network_costs(student: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two operations a product: 3x3 convolutions at 32, 16 and 8 pixels, and the last layer (resnet8, option A)."""
    monkeypatch.setattr("dfkd_ray.runs.export.cost.SECONDS", 0.01)
    told = cost(student, Runtime("cpu"), torch.device("cpu"))
    convolutions = [(3, 16, 32), (16, 16, 32), (16, 16, 32), (16, 32, 16), (32, 32, 16), (32, 64, 8), (64, 64, 8)]
    assert told["flops"] == sum(2 * 9 * a * b * side * side for a, b, side in convolutions) + 2 * 64 * 12
    assert told["parameters"] == sum(p.numel() for p in nets.build("resnet8", 12).parameters())
    assert told["bytes"] == student.weights.stat().st_size
    assert told["latency"] > 0
    assert told["throughput"] > 0
