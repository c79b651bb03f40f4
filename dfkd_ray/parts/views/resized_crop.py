"""A random part of each image at the old size."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.parts.slots import views


@views.register("resized_crop")
@dataclass(frozen=True)
class ResizedCrop:
    """A random part of each image, with a share in [least, 1] of its area, at the old size: bilinear, differentiable.

    Its sides are between 3:4 and 4:3 (Szegedy et al., arXiv:1409.4842; torchvision's RandomResizedCrop).
    """

    least: float = 0.08

    def __post_init__(self) -> None:
        if not 0 < self.least <= 1:
            raise ValueError(f"least is a share of the area in (0, 1], got {self.least}")

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        area, ratio, x, y = torch.rand(4, len(images), generator=rng, device=rng.device).to(images.device)
        area = self.least + (1 - self.least) * area
        ratio = torch.exp(math.log(3 / 4) + 2 * math.log(4 / 3) * ratio)
        width, height = ((area * r).sqrt().clamp(max=1.0) for r in (ratio, 1 / ratio))
        zero = torch.zeros_like(area)
        rows = (width, zero, (1 - width) * (2 * x - 1)), (zero, height, (1 - height) * (2 * y - 1))
        theta = torch.stack([torch.stack(row, 1) for row in rows], 1)
        grid = F.affine_grid(theta, list(images.shape), align_corners=False)
        return F.grid_sample(images, grid, padding_mode="border", align_corners=False)
