"""What is taken over height and width has the values of PyTorch's own, and a gradient in the order of the features."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets import channels_last

LAYOUTS = [torch.channels_last, torch.contiguous_format]
TAKEN = {  # what is taken -> the same with PyTorch's own words
    "subsample": (
        lambda x: channels_last.subsample(x, 2, 1, 2),
        lambda x: F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 1, 2)),
    ),
    "mean": (channels_last.mean, lambda x: x.mean((2, 3))),
    "windows": (
        lambda x: channels_last.windows(x, torch.tensor([0, 2]), torch.tensor([3, 1]), 3, 3),
        lambda x: torch.stack([x[0, :, 0:3, 3:6], x[1, :, 2:5, 1:4]]),
    ),
    "softmax of space": (
        lambda x: channels_last.softmax(x, (2, 3)),
        lambda x: (x - x.logsumexp((2, 3), keepdim=True)).exp(),
    ),
    "softmax of channels": (
        lambda x: channels_last.softmax(x, (1,)),
        lambda x: (x - x.logsumexp((1,), keepdim=True)).exp(),
    ),
    "mse": (lambda x: channels_last.mse(x, 2 * x.detach()), lambda x: (x - 2 * x.detach()).square().mean()),
}


def features(layout: torch.memory_format, shape: tuple[int, ...] = (2, 3, 5, 6)) -> Tensor:
    chance = torch.Generator().manual_seed(0)
    return torch.randn(shape, dtype=torch.float64, generator=chance).to(memory_format=layout)


def gradient(of: object, x: Tensor) -> Tensor:
    """That of a feature, as the pass below it is given it."""
    assert callable(of)
    passed: list[Tensor] = []
    (y := x.detach().requires_grad_() * 1).register_hook(passed.append)
    out = of(y)
    out.backward(torch.linspace(-1, 1, out.numel(), dtype=out.dtype).view_as(out))
    return passed[0]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", TAKEN)
def test_values_and_gradients_are_those_of_pytorch(name: str, layout: torch.memory_format) -> None:
    ours, theirs = TAKEN[name]
    x = features(layout)
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-12)
    torch.testing.assert_close(gradient(ours, x), gradient(theirs, x), rtol=0, atol=1e-12)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", TAKEN)
def test_a_gradient_lies_as_the_features_do(name: str, layout: torch.memory_format) -> None:
    expected = torch.channels_last if name == "windows" else layout  # those are of views, which feed networks alone
    assert gradient(TAKEN[name][0], features(layout)).is_contiguous(memory_format=expected)


@pytest.mark.parametrize("name", [name for name in TAKEN if name != "mean"])
def test_what_is_left_lies_as_the_features_do(name: str) -> None:
    out = TAKEN[name][0](features(torch.channels_last))
    assert out.ndim == 0 or out.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", TAKEN)
def test_many_networks_at_once_take_the_same(name: str) -> None:
    ours = TAKEN[name][0]
    several = torch.stack([features(torch.channels_last), -features(torch.channels_last)])
    torch.testing.assert_close(torch.vmap(ours)(several), torch.stack([ours(each) for each in several]))


def test_laid_is_the_same_in_the_order_of_the_networks() -> None:
    x = features(torch.contiguous_format)
    out = channels_last.laid(x)
    assert torch.equal(out, x)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_an_mse_of_embeddings_is_the_plain_one() -> None:
    x, y = torch.randn(4, 7), torch.randn(4, 7)
    assert channels_last.mse(x, y) == F.mse_loss(x, y)
