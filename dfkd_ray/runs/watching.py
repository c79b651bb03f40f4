"""What passes through a network while it is asked for something else: for metrics that cost no pass of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.nets.positions import pooled
from dfkd_ray.nets.taps import taps_of
from dfkd_ray.parts.signals import deviation, statistics


@contextmanager
def prior(net: nn.Module) -> Iterator[Callable[[], float | None]]:
    """Within the block all that `net` sees is measured: call it for the BatchNorm prior of all images together.

    The sum of `parts.losses.batchnorm`, with a first factor of 1; None for a network without such layers. Mean and
    variance are taken as each layer's input passes, so nothing is kept of it.
    """
    seen: dict[nn.BatchNorm2d, list[tuple[int, Tensor, Tensor]]] = {}

    def measure(layer: nn.Module, args: Any) -> None:
        assert isinstance(layer, nn.BatchNorm2d)
        seen.setdefault(layer, []).append((len(args[0]), *statistics(args[0])))

    def distance() -> float | None:
        parts = [deviation(layer, *_joined(batches)) for layer, batches in seen.items()]
        return float(torch.stack(parts).sum()) if parts else None

    layers = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d) and module.track_running_stats]
    hooks = [layer.register_forward_pre_hook(measure) for layer in layers]
    try:
        yield distance
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def embedded(net: nn.Module) -> Iterator[Callable[[], Tensor]]:
    """Within the block the embeddings of all that `net` sees are kept: call it for them, (N, D); of a dense network
    their means over cells of positions."""
    seen: list[Tensor] = []
    head = net.get_submodule(taps_of(net).head)
    hook = head.register_forward_pre_hook(lambda module, args: seen.append(pooled(args[0]).float()))
    try:
        yield lambda: torch.cat(seen)
    finally:
        hook.remove()


def _joined(batches: list[tuple[int, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (C,) of several batches together, each with its number of images."""
    counts, means, variances = zip(*batches)
    share = (torch.tensor(counts, device=means[0].device) / sum(counts))[:, None]
    mean = (share * torch.stack(means)).sum(0)
    between = (torch.stack(means) - mean).square()
    return mean, (share * (torch.stack(variances) + between)).sum(0)
