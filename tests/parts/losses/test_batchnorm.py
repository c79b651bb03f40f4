from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.catching import Norm
from dfkd_ray.parts.losses.batchnorm import BatchNorm, LiveBatchNorm
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.util.errors import ConfigError


def layer_and_input(channels: int) -> Norm:
    layer = nn.BatchNorm2d(channels).double()
    assert layer.running_mean is not None
    assert layer.running_var is not None
    layer.running_mean.normal_()
    layer.running_var.uniform_(0.5, 2)
    return Norm(layer, torch.randn(3, channels, 4, 5, dtype=torch.float64, requires_grad=True))


def prior(*channels: int, **fields: Any) -> LiveBatchNorm:
    layouts = Layout((), 1, channels), Layout((), 1)
    return BatchNorm(**fields).open(Setting((3, 4, 5), 2, (0.5,) * 3, (0.5,) * 3, *layouts))


def statistics(norm: Norm) -> np.ndarray:
    """Mean and biased variance, channel by channel in numpy: (2, C)."""
    x = norm.input.detach().numpy()
    means, variances = [], []
    for channel in range(x.shape[1]):
        values = x[:, channel].ravel()
        mean = values.sum() / len(values)
        means.append(mean)
        variances.append(((values - mean) ** 2).sum() / len(values))
    return np.array([means, variances])


def deviation(norm: Norm, seen: np.ndarray | None = None) -> float:
    """||mean - running||_2 + ||var - running||_2."""
    mean, var = statistics(norm) if seen is None else seen
    means = mean - norm.layer.running_mean.numpy()  # type: ignore[union-attr]
    variances = var - norm.layer.running_var.numpy()  # type: ignore[union-attr]
    return float(np.sqrt(np.square(means).sum()) + np.sqrt(np.square(variances).sum()))


@pytest.mark.parametrize("first", [1.0, 10.0])
def test_it_is_the_sum_of_norms_over_the_layers(see: Any, first: float) -> None:
    norms = tuple(layer_and_input(channels) for channels in (3, 6, 2))
    value = prior(3, 6, 2, first_factor=first)(see(teacher={"norms": norms}))
    assert value.item() == pytest.approx(first * deviation(norms[0]) + deviation(norms[1]) + deviation(norms[2]))


def test_the_gradient_reaches_the_inputs_and_the_statistics_stay(see: Any) -> None:
    norm = layer_and_input(4)
    before = norm.layer.running_mean.clone()  # type: ignore[union-attr]
    prior(4)(see(teacher={"norms": (norm,)})).backward()
    assert norm.input.grad is not None
    assert norm.input.grad.abs().max() > 0
    assert torch.equal(norm.layer.running_mean, before)


def test_exact_statistics_cost_nothing_and_do_not_make_nan(see: Any) -> None:
    layer = nn.BatchNorm2d(1)
    x: Tensor = torch.tensor([-1.0, 1.0], requires_grad=True)  # mean 0, biased variance 1: those of a fresh layer
    value = prior(1)(see(teacher={"norms": (Norm(layer, x.view(2, 1, 1, 1)),)}))
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
    value = prior(3)(see(teacher={"norms": (Norm(layer, x),)}))
    assert value.item() == pytest.approx(2 * 1e-3 * 3**0.5, rel=1e-2)


def test_a_layer_without_running_statistics_is_named(see: Any) -> None:
    layer = nn.BatchNorm2d(2, track_running_stats=False)
    with pytest.raises(ConfigError, match="keeps no running statistics"):
        prior(2)(see(teacher={"norms": (Norm(layer, torch.zeros(1, 2, 1, 1)),)}))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_teacher_without_batchnorm_is_refused_with_what_to_do(momentum: float) -> None:
    layouts = Layout((), 1, kind="ConvNeXt"), Layout((), 1, (3,), kind="ResNet")
    setting = Setting((3, 4, 5), 2, (0.5,) * 3, (0.5,) * 3, *layouts)
    with pytest.raises(ConfigError, match=r"the teacher \(ConvNeXt\) has no BatchNorm layer, .* set this path to null"):
        BatchNorm(momentum=momentum).open(setting)


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="first_factor must be > 0, got 0"):
        BatchNorm(first_factor=0)
    with pytest.raises(ValueError, match=r"momentum must be in \[0, 1\), got 1"):
        BatchNorm(momentum=1.0)


def test_the_number_of_layers_is_logged_and_without_momentum_nothing_is_kept(see: Any) -> None:
    live = prior(3, 6, 2)
    assert live.gauges["layers"].item() == 3
    live(see(teacher={"norms": tuple(layer_and_input(channels) for channels in (3, 6, 2))}))
    live.settle()
    assert live.state_dict() == {}
    assert live.last is None


class Past:
    """The statistics of past rounds in numpy: (1 - m) of the last batch of a round and m of those before."""

    def __init__(self, momentum: float) -> None:
        self.momentum, self.kept = momentum, []

    def value(self, norms: tuple[Norm, ...]) -> float:
        now = [statistics(norm) for norm in norms]
        return sum(deviation(norm, seen) for norm, seen in zip(norms, self.blended(now)))

    def blended(self, now: list[np.ndarray]) -> list[np.ndarray]:
        return [(1 - self.momentum) * new + self.momentum * old for new, old in zip(now, self.kept)] or now

    def settle(self, norms: tuple[Norm, ...]) -> None:
        self.kept = self.blended([statistics(norm) for norm in norms])


def batches(count: int) -> list[tuple[Norm, ...]]:
    """Inputs of the same two layers."""
    layers = [layer_and_input(channels).layer for channels in (3, 5)]
    return [
        tuple(Norm(layer, torch.randn(4, layer.num_features, 3, 3, dtype=torch.float64)) for layer in layers)
        for _ in range(count)
    ]


@pytest.mark.parametrize("momentum", [0.9, 0.25])
def test_momentum_blends_the_past_rounds_in(see: Any, momentum: float) -> None:
    live, past = prior(3, 5, momentum=momentum).double(), Past(momentum)
    steps = iter(batches(7))
    for length in (2, 1, 3, 1):
        for _ in range(length):
            norms = next(steps)
            assert live(see(teacher={"norms": norms})).item() == pytest.approx(past.value(norms), rel=1e-12)
        live.settle()
        past.settle(norms)
        live.settle()  # of a round in which the term was not asked: nothing changes


def test_the_past_survives_a_state_dict_and_has_no_gradient(see: Any) -> None:
    first, last = batches(2)
    live, other = prior(3, 5, momentum=0.9).double(), prior(3, 5, momentum=0.9).double()
    live(see(teacher={"norms": first}))
    live.settle()
    other.load_state_dict(live.state_dict())
    assert torch.equal(other(see(teacher={"norms": last})), live(see(teacher={"norms": last})))
    assert not torch.equal(
        prior(3, 5, momentum=0.9).double()(see(teacher={"norms": last})), other(see(teacher={"norms": last}))
    )
    assert not live.past.requires_grad
    assert list(live.parameters()) == []


def test_a_batch_with_momentum_pulls_a_tenth_as_hard(see: Any) -> None:
    """In the code of FastDFKD as here: where the past is the batch itself, only the gradient is smaller."""
    norm = layer_and_input(4)
    live = prior(4, momentum=0.9).double()
    values, gradients = [], []
    for _ in range(2):
        value = live(see(teacher={"norms": (norm,)}))
        values.append(value.item())
        gradients.append(torch.autograd.grad(value, norm.input)[0])
        live.settle()
    assert values[1] == pytest.approx(values[0])
    assert torch.allclose(gradients[1], 0.1 * gradients[0])
