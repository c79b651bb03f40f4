"""One mixture or the other, by a coin for each batch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dfkd_ray.parts import mixing
from dfkd_ray.parts.slots import View, views
from dfkd_ray.parts.views.cutmix import CutMix
from dfkd_ray.parts.views.mixup import MixUp


@views.register("mix_cut")
@dataclass(frozen=True)
class MixCut:
    """`mixup` or `cutmix`, by a coin for each batch: a switch of the released code of DiffDFKD."""

    mixup: float = 0.4
    cutmix: float = 0.25

    def __post_init__(self) -> None:
        mixing.positive(self.mixup)
        mixing.positive(self.cutmix)

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        heads = bool(torch.rand((), generator=rng, device=rng.device) < 0.5)
        chosen: View = MixUp(self.mixup) if heads else CutMix(self.cutmix)
        return chosen(images, rng)
