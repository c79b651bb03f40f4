"""Augmentations of synthetic images: inside synthesis (what teacher and student judge) and before the student learns.

None is on by default: a flip is right for aircraft and wrong for digits, so a method or a study asks for it. Views see
pictures, black 0 and white 1, as they do in the codes of this field: what they fill in is black, as at the border of a
crop when teachers of CIFAR learn, and not the mean colour that a 0 is once it is normalised.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets.heads import ToData
from dfkd_ray.parts import mixing
from dfkd_ray.parts.slots import View, views


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
    """Pad by `padding` pixels of black and cut the old size out at a random place, one place for each image."""

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


@dataclass(frozen=True)
class Views:
    """synthesis: between the source and what judges it; student: between the memory and the student's step."""

    synthesis: tuple[View, ...] = field(default=(), metadata={"registry": views})
    student: tuple[View, ...] = field(default=(), metadata={"registry": views})


def augment(chain: tuple[View, ...], images: Tensor, rng: torch.Generator, to_data: ToData) -> Tensor:
    """The images (B, C, H, W) through each view in turn, as pictures; what comes and goes is `to_data`'s range."""
    if not chain:
        return images
    pictures = to_data.pictures(images)
    for view in chain:
        pictures = view(pictures, rng)
    seen: Tensor = to_data(pictures)
    return seen
