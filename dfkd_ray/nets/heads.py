"""The end of a generator: from a last feature map of any range to images in the teacher's input space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

Output = Literal["tanh", "normalised", "sigmoid", "batchnorm", "affine_batchnorm"]


class ToData(nn.Module):
    """[0, 1] -> (x - mean) / std, per channel: the range of the teacher's own data."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return (x - self.mean) / self.std

    def pictures(self, x: Tensor) -> Tensor:
        """The way back, (B, C, H, W) -> (B, C, H, W): black is 0 and white 1."""
        return x * self.std + self.mean


class Shares(nn.Module):
    """tanh mapped to [0, 1]."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return (x.tanh() + 1) / 2


def head(output: Output, channels: int, mean: Sequence[float] | None, std: Sequence[float] | None) -> nn.Module:
    """What ends a generator, (B, C, H, W) -> (B, C, H, W).

    output: "tanh": in [-1, 1], given to the teacher as it is.
        "normalised": tanh mapped to [0, 1], then (x - mean) / std. "sigmoid": a sigmoid instead (CMI, FastDFKD, NAYER).
        "batchnorm": tanh, then BatchNorm without affine, as the 32-pixel generators of DAFL and its relatives do; it
        emits only zero mean and unit variance, so the teacher's data must be normalised by their own statistics.
        Fresh images are faint (the tanh's deviation is about 0.0025 at width 64 of the deconvolution generator), so
        BatchNorm's epsilon counts in the first steps.
        "affine_batchnorm": BatchNorm with affine and no tanh before it, as in ZSKT's code: it learns its own mean and
        variance.
    mean, std: per channel, in [0, 1] units; needed by "normalised" and "sigmoid", unread otherwise.
    """
    if output == "tanh":
        return nn.Tanh()
    if output == "batchnorm":
        return nn.Sequential(nn.Tanh(), nn.BatchNorm2d(channels, affine=False))
    if output == "affine_batchnorm":
        return nn.BatchNorm2d(channels)
    if output not in get_args(Output):
        raise ValueError(f"output must be one of {', '.join(get_args(Output))}, got {output!r}")
    if mean is None or std is None or len(mean) != channels or len(std) != channels:
        raise ValueError(f"output {output!r} needs mean and std of {channels} channels, got {mean} and {std}")
    if min(std) <= 0:
        raise ValueError(f"std must be > 0 in every channel, got {std}")
    return nn.Sequential(nn.Sigmoid() if output == "sigmoid" else Shares(), ToData(mean, std))


def check_sides(doublings: int, most: int, *sides: int) -> None:
    """ValueError unless the sides of an image are multiples of 2 ** doublings, and doublings is 1 to `most`."""
    if doublings not in range(1, most + 1):
        raise ValueError(f"doublings must be 1 to {most}, got {doublings}")
    step = 2**doublings
    for side in sides:
        if side < step or side % step:
            below = side // step * step
            near = f"{below} or {below + step}" if below >= step else f"{step}"
            raise ValueError(f"the sides of an image must be multiples of {step}, got {side}; nearest: {near}")


def sized(pictures: Tensor, image: tuple[int, int, int]) -> Tensor:
    """Pictures (B, 3, h, w) in [0, 1] at the size `image` (C, H, W): bicubic; grey ones are the mean of the colours.

    The code's bicubic is read. Whether it is antialiased is left to torchvision there, whose newer versions do so.
    """
    if pictures.shape[2:] != image[1:]:
        pictures = F.interpolate(pictures, image[1:], mode="bicubic", antialias=True).clamp(0, 1)
    return pictures.mean(1, keepdim=True) if image[0] == 1 else pictures
