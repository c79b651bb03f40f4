"""Augmentations of synthetic images: inside synthesis (what teacher and student judge) and before the student learns.

None is on by default: a flip is right for aircraft and wrong for digits, so a method or a study asks for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.slots import View, views


@views.register("flip")
@dataclass(frozen=True)
class Flip:
    """Mirror each image left to right with probability `p`."""

    p: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"p is a probability, got {self.p}")

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        chosen = torch.rand(len(images), generator=rng, device=rng.device).to(images.device) < self.p
        return torch.where(chosen[:, None, None, None], images.flip(3), images)


@views.register("crop")
@dataclass(frozen=True)
class Crop:
    """Pad by `padding` pixels of zeros and cut the old size out at a random place, one place for each image."""

    padding: int = 4

    def __post_init__(self) -> None:
        if self.padding < 1:
            raise ValueError(f"padding must be at least 1 pixel, got {self.padding}")

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        b, _, h, w = images.shape
        padded = F.pad(images, [self.padding] * 4)
        offsets = torch.randint(2 * self.padding + 1, (2, b), generator=rng, device=rng.device).to(images.device)
        rows = (torch.arange(h, device=images.device) + offsets[0, :, None])[:, None, :, None]
        columns = (torch.arange(w, device=images.device) + offsets[1, :, None])[:, None, None, :]
        batch = torch.arange(b, device=images.device)[:, None, None, None]
        channels = torch.arange(images.shape[1], device=images.device)[None, :, None, None]
        return padded[batch, channels, rows, columns]


@views.register("jitter")
@dataclass(frozen=True)
class Jitter:
    """Roll the whole batch by up to `pixels` in each direction (DeepInversion, Yin et al., arXiv:1912.08795)."""

    pixels: int = 2

    def __post_init__(self) -> None:
        if self.pixels < 1:
            raise ValueError(f"pixels must be at least 1, got {self.pixels}")

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        dy, dx = (torch.randint(-self.pixels, self.pixels + 1, (2,), generator=rng, device=rng.device)).tolist()
        return images.roll((dy, dx), (2, 3))


@dataclass(frozen=True)
class Views:
    """synthesis: between the source and what judges it; student: between the memory and the student's step."""

    synthesis: tuple[View, ...] = field(default=(), metadata={"registry": views})
    student: tuple[View, ...] = field(default=(), metadata={"registry": views})


def look(chain: tuple[View, ...], images: Tensor, rng: torch.Generator) -> Tensor:
    """The images through each view in turn."""
    for view in chain:
        images = view(images, rng)
    return images
