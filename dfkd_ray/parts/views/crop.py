"""Pad images and cut the old size out at a random place."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets import channels_last
from dfkd_ray.parts.slots import views


@views.register("crop")
@dataclass(frozen=True)
class Crop:
    """Pad by `padding` pixels of black and cut the old size out at a random place, one place for each image."""

    padding: int = 4

    def __post_init__(self) -> None:
        if self.padding < 1:
            raise ValueError(f"padding must be at least 1 pixel, got {self.padding}")

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        b, _, h, w = images.shape
        padded = F.pad(images, [self.padding] * 4)
        tops, lefts = torch.randint(2 * self.padding + 1, (2, b), generator=rng, device=rng.device).to(images.device)
        return channels_last.windows(padded, tops, lefts, h, w)
