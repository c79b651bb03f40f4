"""A blend of each image with another of its batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dfkd_ray.parts import mixing
from dfkd_ray.parts.slots import views


@views.register("mixup")
@dataclass(frozen=True)
class MixUp:
    """lambda x + (1 - lambda) partner, lambda ~ Beta(alpha, alpha), one for the batch (arXiv:1710.09412).

    alpha: 0.4 in the released code of DiffDFKD. The labels stay, so with a term that reads them `mixup` is a noise on
    them; the teacher judges the images as they are.
    """

    alpha: float = 0.4

    def __post_init__(self) -> None:
        mixing.positive(self.alpha)

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return mixing.mixup(images, mixing.beta(self.alpha, rng), rng)
