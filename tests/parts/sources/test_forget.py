"""An optimiser that starts anew in every step."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.parts.optimizers import SGD, Adam
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.forget import Forget
from dfkd_ray.parts.sources.lifecycles import Keep
from dfkd_ray.parts.sources.upsampling import Upsampling

SETTING = Setting((3, 16, 16), 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
LR = 1e-3


def walked(lifecycle: Any, optimizer: Any, steps: int = 3) -> tuple[list[Tensor], list[Tensor]]:
    """The weights of the last convolution before each step and after all, and its gradients."""
    torch.manual_seed(0)
    spec = Upsampling(latent=8, width=4, output="tanh", lifecycle=lifecycle, optimizer=optimizer)
    live = spec.open(SETTING, (), torch.device("cpu"))
    weight = live.net.to_image.weight
    weights, gradients = [], []

    def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        weights.append(weight.detach().clone())
        return (images - 0.5).square().mean(), {}

    for _ in live.improve(4, steps, image_loss, torch.Generator().manual_seed(0), 0.0):
        assert weight.grad is not None
        gradients.append(weight.grad.clone())
    return [*weights, weight.detach().clone()], gradients


def test_every_step_of_adam_is_its_first() -> None:
    weights, gradients = walked(Forget(), Adam(lr=LR, betas=(0.5, 0.999)))
    for before, after, gradient in zip(weights, weights[1:], gradients):
        torch.testing.assert_close(after, before - LR * gradient / (gradient.abs() + 1e-8))


def test_an_adam_that_is_kept_steps_otherwise() -> None:
    forgetful, kept = (walked(lifecycle, Adam(lr=LR))[0] for lifecycle in (Forget(), Keep()))
    assert torch.equal(forgetful[1], kept[1]), "the first step is the same"
    assert not torch.allclose(forgetful[3], kept[3], atol=LR / 10)


def test_an_optimiser_of_a_round_remembers_within_it_alone() -> None:
    optimizer = Adam(lr=LR)
    torch.manual_seed(0)
    spec = Upsampling(latent=8, width=4, output="tanh", lifecycle=Forget(each="round"), optimizer=optimizer)
    live = spec.open(SETTING, (), torch.device("cpu"))
    weight, counts = live.net.to_image.weight, []
    for _ in range(2):
        for _ in live.improve(4, 3, lambda images, labels: (images.mean(), {}), torch.Generator(), 0.0):
            counts.append(int(live.optimizer.state[weight]["step"]))
    assert counts == [1, 2, 3, 1, 2, 3]
    one_round = walked(Forget(each="round"), optimizer)[0]
    assert all(torch.equal(a, b) for a, b in zip(one_round, walked(Keep(), optimizer)[0]))


def test_ranges() -> None:
    with pytest.raises(ValueError, match="each must be one of step, round, got 'epoch'"):
        Forget(each="epoch")  # type: ignore[arg-type]


def test_momentum_is_forgotten_too() -> None:
    weights, gradients = walked(Forget(), SGD(lr=0.1, momentum=0.9, weight_decay=0.0))
    for before, after, gradient in zip(weights, weights[1:], gradients):
        torch.testing.assert_close(after, before - 0.1 * gradient)
