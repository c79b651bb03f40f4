"""What DiffDFKD does to the latents of a trajectory on their way: they are mixed, or turned, and painted on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts import mixing
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
class Classical:
    """One of ten classical transforms of images, drawn for the batch, applied to the latents.

    The released code has ten; which they are could not be read, so these are a reconstruction: two mirrors, three
    quarter turns, the transpose, rolls by an eighth along each axis, a zoom into the middle, an erased box.
    """

    def __call__(self, z: Tensor, rng: torch.Generator) -> Tensor:
        drawn = int(torch.randint(len(TRANSFORMS), (), generator=rng, device=rng.device))
        return TRANSFORMS[drawn](z, rng)


def _zoom(z: Tensor, rng: torch.Generator) -> Tensor:
    height, width = z.shape[2:]
    middle = z[:, :, height // 8 : height - height // 8, width // 8 : width - width // 8]
    return F.interpolate(middle, (height, width), mode="bilinear")


def _erase(z: Tensor, rng: torch.Generator) -> Tensor:
    top, bottom, left, right = mixing.box(z.shape[2], z.shape[3], 0.75, rng)
    out = z.clone()
    out[:, :, top:bottom, left:right] = 0
    return out


TRANSFORMS: tuple[Callable[[Tensor, torch.Generator], Tensor], ...] = (
    lambda z, rng: z.flip(3),
    lambda z, rng: z.flip(2),
    lambda z, rng: z.rot90(1, (2, 3)),
    lambda z, rng: z.rot90(2, (2, 3)),
    lambda z, rng: z.rot90(3, (2, 3)),
    lambda z, rng: z.transpose(2, 3),
    lambda z, rng: z.roll(max(1, z.shape[2] // 8), 2),
    lambda z, rng: z.roll(max(1, z.shape[3] // 8), 3),
    _zoom,
    _erase,
)


def _share(alpha: float, rng: torch.Generator) -> float:
    first = max(mixing.beta(alpha, rng), 1e-3)  # the parameter of a Beta is above 0
    return mixing.beta(first, rng)
