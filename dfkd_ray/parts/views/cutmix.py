"""A box of another image in each."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dfkd_ray.parts import mixing
from dfkd_ray.parts.slots import views


@views.register("cutmix")
@dataclass(frozen=True)
class CutMix:
    """A box of another image of the batch in each (arXiv:1905.04899), of area 1 - lambda, lambda ~ Beta(alpha, alpha).

    alpha: 0.25 in the released code of DiffDFKD. The labels stay, as in `mixup`.
    """

    alpha: float = 0.25

    def __post_init__(self) -> None:
        mixing.positive(self.alpha)

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return mixing.cutmix(images, mixing.beta(self.alpha, rng), rng)
