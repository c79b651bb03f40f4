"""Roll the whole batch a little."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dfkd_ray.parts.slots import views


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
