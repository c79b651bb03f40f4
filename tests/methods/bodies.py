"""The generators of the codes at 32 pixels, put together from torch's layers as each source states them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.methods.method import Method
from dfkd_ray.parts.signals import Layout, Setting

MEAN, STD = (0.49, 0.48, 0.45), (0.25, 0.24, 0.26)
SETTING = Setting((3, 32, 32), 10, MEAN, STD, Layout((), 512), Layout((), 512))


def built(method: Method, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return method.source.build(SETTING)


def stated(
    latent: int,
    *end: nn.Module,
    first: int = 128,
    eps: float = 1e-5,
    wrapped: Callable[[nn.Conv2d], nn.Module] = lambda conv: conv,
) -> nn.Sequential:
    """z to 8x8 maps of `first` channels, twice doubled, 128 and 64 channels, then 3, then `end`."""
    return nn.Sequential(
        nn.Linear(latent, first * 8 * 8),
        nn.Unflatten(1, (first, 8, 8)),
        nn.BatchNorm2d(first),
        nn.Upsample(scale_factor=2),
        wrapped(nn.Conv2d(first, 128, 3, padding=1)),
        nn.BatchNorm2d(128, eps),
        nn.LeakyReLU(0.2),
        nn.Upsample(scale_factor=2),
        wrapped(nn.Conv2d(128, 64, 3, padding=1)),
        nn.BatchNorm2d(64, eps),
        nn.LeakyReLU(0.2),
        wrapped(nn.Conv2d(64, 3, 3, padding=1)),
        *end,
    )


def agree(net: nn.Module, oracle: nn.Sequential, normalised: bool = False) -> None:
    """The same state, entry by entry, gives the same images in both modes; `normalised`: as the data are."""
    state = dict(zip(oracle.state_dict(), net.state_dict().values(), strict=True))
    oracle.load_state_dict(state)
    z = torch.randn(6, oracle[0].in_features, generator=torch.Generator().manual_seed(1))  # type: ignore[arg-type]
    mean, std = (torch.tensor(each).view(1, 3, 1, 1) for each in (MEAN, STD))

    def expected(z: Tensor) -> Tensor:
        return (oracle(z) - mean) / std if normalised else oracle(z)

    for training in (True, False):
        net.train(training)
        oracle.train(training)
        torch.testing.assert_close(net(z), expected(z), rtol=1e-4, atol=1e-5)
