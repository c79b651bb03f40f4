"""Weights as they begin: their spread against the number that each source states."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from dfkd_ray.nets.initialisation import Initialisation, initialise

# The spread of the weights of a layer with so many inputs and outputs, a kernel's area in both.
SPREAD = {
    "dcgan": lambda inputs, outputs: 0.02,
    "uniform": lambda inputs, outputs: 0.08 / math.sqrt(3),
    "kaiming": lambda inputs, outputs: math.sqrt(2 / inputs),
    "xavier": lambda inputs, outputs: math.sqrt(4 / (inputs + outputs)),
}
every_way = pytest.mark.parametrize("how", SPREAD)


def net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(90, 200),
        nn.Conv2d(30, 60, 3),
        nn.Sequential(nn.Conv2d(60, 20, 1, bias=False), nn.BatchNorm2d(4000)),
        nn.BatchNorm2d(3, affine=False),
    )


@every_way
def test_weights_have_the_stated_spread_and_biases_are_0(how: Initialisation) -> None:
    made = net()
    initialise(made, how)
    layers = {made[0]: (90, 200), made[1]: (30 * 9, 60 * 9), made[2][0]: (60, 20)}
    for layer, sizes in layers.items():
        weight = layer.weight
        spread = SPREAD[how](*sizes)
        assert weight.std().item() == pytest.approx(spread, rel=5 / (2 * weight.numel()) ** 0.5)
        assert abs(weight.mean().item()) < 5 * spread / weight.numel() ** 0.5
        assert layer.bias is None or not layer.bias.any()
        tail = weight.abs().max().item() / spread
        assert tail < math.sqrt(3) + 1e-6 if how == "uniform" else tail > 2.5, "flat, or a bell"


@every_way
def test_batchnorm_is_dcgans_in_all_but_one(how: Initialisation) -> None:
    made = net()
    norm = made[2][1]
    nn.init.constant_(norm.bias, 0.5)
    initialise(made, how)
    if how == "uniform":
        assert torch.equal(norm.weight, torch.ones(4000))
        assert torch.equal(norm.bias, torch.full((4000,), 0.5))
    else:
        assert norm.weight.mean().item() == pytest.approx(1, abs=5 * 0.02 / 4000**0.5)
        assert norm.weight.std().item() == pytest.approx(0.02, rel=5 / 8000**0.5)
        assert not norm.bias.any()


def test_they_come_from_torchs_own_numbers() -> None:
    first, second = net(), net()
    for made in (first, second):
        torch.manual_seed(3)
        initialise(made, "kaiming")
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters()))


def test_an_unknown_way_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^init must be one of dcgan, uniform, kaiming, xavier, got 'zeros'$"):
        initialise(net(), "zeros")  # type: ignore[arg-type]
