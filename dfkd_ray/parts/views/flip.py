"""Mirror images left to right."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dfkd_ray.parts.slots import views


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
