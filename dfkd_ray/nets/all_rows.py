"""What a network in training mode does with a batch as a whole, done with the rows of all ranks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Sharers(Protocol):
    """Those who share the rows, see `sharing.Ranks`."""

    @property
    def count(self) -> int: ...

    @property
    def own(self) -> int: ...

    def channels(self, x: Tensor) -> Tensor:
        """The mean (C,) of each channel of x (b, C, ...), over the rows of all."""


class OfAllRows(TorchFunctionMode):
    """Within it BatchNorm sees the rows of all ranks, and dropout draws for all of them."""

    def __init__(self, ranks: Sharers) -> None:
        super().__init__()
        self.ranks = ranks

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None) -> Any:
        if func is F.batch_norm:
            return _batch_norm(self.ranks, *args, **(kwargs or {}))
        if func in _DROPOUTS:
            return _dropout(self.ranks, func, *args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


_DROPOUTS = {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d}


def _batch_norm(
    ranks: Sharers,
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm`, whose names these are, with the statistics of all rows."""
    if not training:
        return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    x = input.to(torch.promote_types(input.dtype, torch.float32))
    mean = ranks.channels(x)
    centred = x - broad(mean, x)  # once, since autograd keeps it
    var = ranks.channels(centred.square())
    count = ranks.count * x.numel() // x.shape[1]
    with torch.no_grad():
        for running, new in ((running_mean, mean), (running_var, var * (count / max(count - 1, 1)))):
            if running is not None:
                running.lerp_(new.to(running.dtype), momentum)
    scale = (var + eps).rsqrt() if weight is None else (var + eps).rsqrt() * weight
    out = centred * broad(scale, x)
    return (out if bias is None else out + broad(bias, x)).to(input.dtype)


def _dropout(
    ranks: Sharers, draw: Any, input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """`draw` of all rows, of which this rank takes its own: so the numbers are those of one process."""
    if not training:
        return input
    kept: Tensor = draw(input.new_ones((ranks.count * len(input), *input.shape[1:])), p, True, False)
    return input * kept.chunk(ranks.count)[ranks.own]


def broad(channels: Tensor, x: Tensor) -> Tensor:
    """(C,) as it joins x (B, C, ...)."""
    return channels.view(-1, *(1 for _ in x.shape[2:]))
