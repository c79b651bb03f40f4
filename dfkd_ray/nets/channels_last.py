"""What is taken over height and width, with a gradient that lies in memory as the features do.

The networks keep images and features channels_last. What autograd makes anew has the order of the axes that it sees:
the zeros around a slice, the gradient of a mean, of a softmax, of an MSE. Each pass that then reads one of either order
takes up to 13 times as long, all the way down a network. Taken through a view whose axes stand as they lie, a gradient
comes back as it should. A network in the plain order, as it is exported, is computed in the plain order.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def last(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, H, W, C), a view."""
    return x.permute(0, 2, 3, 1)


def subsample(x: Tensor, stride: int, before: int = 0, after: int = 0) -> Tensor:
    """Every `stride`-th pixel, and channels of zeros on both sides: (B, C, H, W) -> (B, before + C + after, H', W')."""
    if _lies_so(x):
        return _first(F.pad(last(x)[:, ::stride, ::stride], (before, after)))
    return F.pad(x[:, :, ::stride, ::stride], (0, 0, 0, 0, before, after))


def mean(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """(B, C, H, W) -> (B, C), over height and width; `dtype`: to sum in, that of x where it is not given."""
    return last(x).mean((1, 2), dtype=dtype) if _lies_so(x) else x.mean((2, 3), dtype=dtype)


def windows(x: Tensor, tops: Tensor, lefts: Tensor, height: int, width: int) -> Tensor:
    """Of each image a window, of which `tops` and `lefts`, (B,), say where: (B, C, H, W) -> (B, C, height, width).

    Channels last in memory, however x lies."""
    rows = (torch.arange(height, device=x.device) + tops[:, None])[:, :, None]
    columns = (torch.arange(width, device=x.device) + lefts[:, None])[:, None, :]
    return _first(last(x)[torch.arange(len(x), device=x.device)[:, None, None], rows, columns])


def laid(x: Tensor) -> Tensor:
    """The same (B, C, H, W), channels last in memory."""
    return _first(last(x).contiguous())


def softmax(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    """Over the channels, (1,), or over height and width, (2, 3): (B, C, H, W) -> (B, C, H, W)."""
    if axes == (1,):
        return _first(last(x).softmax(3)) if _lies_so(x) else x.softmax(1)
    if _lies_so(x):
        return _first(last(x).flatten(1, 2).softmax(1).view_as(last(x)))
    return x.flatten(2).softmax(2).view_as(x)


def mse(x: Tensor, y: Tensor) -> Tensor:
    """The mean of the squared difference of two of one shape, (B, C, H, W) or any other: a scalar."""
    return F.mse_loss(last(x), last(y)) if _lies_so(x) else F.mse_loss(x, y)


def _lies_so(x: Tensor) -> bool:
    """By its strides, for under `torch.func.vmap` nothing else is told of them."""
    return x.ndim == 4 and x.stride(1) == 1


def _first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)
