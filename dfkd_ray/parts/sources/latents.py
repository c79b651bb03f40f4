"""What DiffDFKD does to the latents of a trajectory on their way: they are mixed, or turned, and painted on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from dfkd_ray.parts import mixing
from dfkd_ray.parts.views.classical import transformed
from dfkd_ray.util.registry import Registry


class Augmentation(Protocol):
    """Latents (B, C, h, w) of one class to others of the same class."""

    def __call__(self, z: Tensor, rng: torch.Generator) -> Tensor: ...


augmentations: Registry[type[Augmentation]] = Registry("latent augmentation")


@augmentations.register("cutmix")
@dataclass(frozen=True)
class LatentCutMix:
    """Paste a box of another latent of the batch; what is denoised after it repairs the seams (arXiv:2504.00870).

    lambda_1 ~ Beta(alpha, alpha), lambda ~ Beta(lambda_1, lambda_1), a box of side sqrt(1 - lambda), as in the released
    code. All latents of a batch are of one class, so labels stay; in a batch of one it changes nothing.
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        mixing.positive(self.alpha)

    def __call__(self, z: Tensor, rng: torch.Generator) -> Tensor:
        return mixing.cutmix(z, _share(self.alpha, rng), rng)


@augmentations.register("mixup")
@dataclass(frozen=True)
class LatentMixUp:
    """lambda z + (1 - lambda) partner, lambda as in `cutmix`: another setting of that switch of the released code."""

    alpha: float = 1.0

    def __post_init__(self) -> None:
        mixing.positive(self.alpha)

    def __call__(self, z: Tensor, rng: torch.Generator) -> Tensor:
        return mixing.mixup(z, _share(self.alpha, rng), rng)


@augmentations.register("classical")
@dataclass(frozen=True)
class LatentClassical:
    """Ten classical transforms of images, see `views.classical`: the third setting of that switch."""

    def __call__(self, z: Tensor, rng: torch.Generator) -> Tensor:
        return transformed(z, rng)


def _share(alpha: float, rng: torch.Generator) -> float:
    first = max(mixing.beta(alpha, rng), 1e-3)  # the parameter of a Beta is above 0
    return mixing.beta(first, rng)
