from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.errors import ConfigError
from dfkd_ray.losses.batchnorm import BatchNorm
from dfkd_ray.signals import Norm


def layer_and_input(channels: int) -> Norm:
    layer = nn.BatchNorm2d(channels).double()
    assert layer.running_mean is not None
    assert layer.running_var is not None
    layer.running_mean.normal_()
    layer.running_var.uniform_(0.5, 2)
    return Norm(layer, torch.randn(3, channels, 4, 5, dtype=torch.float64, requires_grad=True))


def deviation(norm: Norm) -> float:
    """||mean - running||_2 + ||var - running||_2, channel by channel in numpy."""
    x = norm.input.detach().numpy()
    means, variances = [], []
    for channel in range(x.shape[1]):
        values = x[:, channel].ravel()
        mean = values.sum() / len(values)
        means.append(mean - norm.layer.running_mean[channel].item())  # type: ignore[index]
        variances.append(((values - mean) ** 2).sum() / len(values) - norm.layer.running_var[channel].item())  # type: ignore[index]
    return float(np.sqrt(np.square(means).sum()) + np.sqrt(np.square(variances).sum()))


@pytest.mark.parametrize("first", [1.0, 10.0])
def test_it_is_the_sum_of_norms_over_the_layers(see: Any, first: float) -> None:
    norms = tuple(layer_and_input(channels) for channels in (3, 6, 2))
    value = BatchNorm(first_factor=first)(see(teacher={"norms": norms}))
    assert value.item() == pytest.approx(first * deviation(norms[0]) + deviation(norms[1]) + deviation(norms[2]))


def test_the_gradient_reaches_the_inputs_and_the_statistics_stay(see: Any) -> None:
    norm = layer_and_input(4)
    before = norm.layer.running_mean.clone()  # type: ignore[union-attr]
    BatchNorm()(see(teacher={"norms": (norm,)})).backward()
    assert norm.input.grad is not None
    assert norm.input.grad.abs().max() > 0
    assert torch.equal(norm.layer.running_mean, before)


def test_exact_statistics_cost_nothing_and_do_not_make_nan(see: Any) -> None:
    layer = nn.BatchNorm2d(1)
    x: Tensor = torch.tensor([-1.0, 1.0], requires_grad=True)  # mean 0, biased variance 1: those of a fresh layer
    value = BatchNorm()(see(teacher={"norms": (Norm(layer, x.view(2, 1, 1, 1)),)}))
    value.backward()
    assert value.item() == 0
    assert x.grad is not None
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("half", [torch.bfloat16, torch.float16])
def test_half_inputs_are_not_compared_in_half(see: Any, half: torch.dtype) -> None:
    layer = nn.BatchNorm2d(3)
    x = (1 + torch.randn(8, 3, 16, 16)).to(half)  # what autocast hands to the layer
    layer.running_mean = x.double().mean((0, 2, 3)).float() + 1e-3
    layer.running_var = x.double().transpose(0, 1).flatten(1).var(1, unbiased=False).float() + 1e-3
    value = BatchNorm()(see(teacher={"norms": (Norm(layer, x),)}))
    assert value.item() == pytest.approx(2 * 1e-3 * 3**0.5, rel=1e-2)


def test_a_layer_without_running_statistics_is_named(see: Any) -> None:
    layer = nn.BatchNorm2d(2, track_running_stats=False)
    with pytest.raises(ConfigError, match="keeps no running statistics"):
        BatchNorm()(see(teacher={"norms": (Norm(layer, torch.zeros(1, 2, 1, 1)),)}))


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="first_factor must be > 0, got 0"):
        BatchNorm(first_factor=0)
