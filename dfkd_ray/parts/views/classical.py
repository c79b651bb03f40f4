"""Ten classical transforms of images in random order: what the released code of DiffDFKD may do to images and latents.

The facts are those of its helper/utils.py (arXiv:2504.00870, repository xhqi0109/DiffDFKD @0f6e50a), of which
torchvision does most; off by default there, for latents (`customer_aug` 1) and for the student's images (`use_aug`
"traditional") alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.parts.slots import views

Draw = Callable[[], float]  # a uniform number in [0, 1)
DRAWN = 64  # numbers for a batch, more than it needs: drawn together, because each read stalls a GPU
GAPS = (2, 8)  # pixels, and degrees
ATTEMPTS = 10  # at a box that fits


@views.register("classical")
@dataclass(frozen=True)
class Classical:
    """Ten classical transforms of pictures in random order, each by a coin (released code of DiffDFKD): `transformed`.

    The code transforms normalised images, so what it fills in is the mean colour and its noise is 0.01 deviations:
    here mean and deviation are 0.5, those of its DomainNet. Pixels with noise may leave [0, 1] a little, as there.
    """

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor:
        return (transformed(2 * images - 1, rng) + 1) / 2


def transformed(x: Tensor, rng: torch.Generator) -> Tensor:
    """x (B, C, H, W), of mean 0, through ten transforms in random order, each with probability 1/2 (erasing 1/4).

    gap, an integer of 2 to 8, is drawn once a call and read by most of them. One draw serves the whole batch; noise,
    salt and pepper alone differ from image to image, and have all channels of a pixel in common.
    """
    draw = iter(torch.rand(DRAWN, generator=rng, device=rng.device).tolist()).__next__
    gap = GAPS[0] + int((GAPS[1] - GAPS[0] + 1) * draw())
    for transform in sorted(TRANSFORMS, key=lambda _: draw()):
        if draw() < 0.5:
            x = transform(x, gap, draw, rng)
    return x


def zoomed(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """Enlarged by `gap` pixels (bilinear), and the middle cut out."""
    height, width = x.shape[2:]
    large = F.interpolate(x, (height + gap, width + gap), mode="bilinear", antialias=True)
    first = round(gap / 2)
    return large[:, :, first : first + height, first : first + width]


def flipped(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """Mirrored left to right."""
    return x.flip(3)


def rotated(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """Turned about its centre by up to `gap` degrees either way: the nearest pixels, 0 outside."""
    angle = math.radians(gap * (2 * draw() - 1))
    cos, sin, ratio = math.cos(angle), math.sin(angle), x.shape[2] / x.shape[3]
    theta = torch.tensor([[cos, -sin * ratio, 0], [sin / ratio, cos, 0]], device=x.device, dtype=x.dtype)
    grid = F.affine_grid(theta.expand(len(x), 2, 3), list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def rolled(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """Rolled by `gap` pixels to the left, upwards, or both, with probability 1/3 each; what leaves comes back."""
    axes = ((3,), (2,), (2, 3))[int(3 * draw())]
    return x.roll([-gap] * len(axes), axes)


def padded(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """With a border of floor(gap / 2) zeros, and reduced to its old size (bilinear, antialiased)."""
    return F.interpolate(F.pad(x, [gap // 2] * 4), x.shape[2:], mode="bilinear", antialias=True)


def blurred(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """Under a Gaussian of 3x3 pixels, its deviation in [0.1, 1]; the border is mirrored."""
    beside = math.exp(-0.5 / (0.1 + 0.9 * draw()) ** 2)
    middle, beside = 1 / (1 + 2 * beside), beside / (1 + 2 * beside)
    for axis, border in ((2, (0, 0, 1, 1)), (3, (1, 1, 0, 0))):
        wide, length = F.pad(x, border, mode="reflect"), x.shape[axis]
        before, itself, after = (wide.narrow(axis, at, length) for at in range(3))
        x = beside * (before + after) + middle * itself
    return x


def noised(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """0.01 N(0, 1) at each pixel."""
    noise = torch.randn(len(x), 1, *x.shape[2:], generator=rng, device=rng.device)
    return x + 0.01 * noise.to(x)


def peppered(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """Half a percent of the pixels at half the batch's least value, as many at half its largest."""
    kind = torch.rand(len(x), 1, *x.shape[2:], generator=rng, device=rng.device).to(x.device)
    least, most = x.detach().min() / 2, x.detach().max() / 2
    return torch.where(kind < 0.005, least, torch.where(kind < 0.01, most, x))


def erased(x: Tensor, gap: int, draw: Draw, rng: torch.Generator) -> Tensor:
    """With probability 1/2 once more: zeros in a box with 2 to 22 % of the area, its sides 0.3 to 3.3 to one.

    The box is drawn until it is smaller than the image, ten times at most.
    """
    if draw() >= 0.5:
        return x
    height, width = x.shape[2:]
    for _ in range(ATTEMPTS):
        area = height * width * (0.02 + 0.2 * draw())
        ratio = math.exp(math.log(0.3) + (math.log(3.3) - math.log(0.3)) * draw())
        h, w = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if h < height and w < width:
            top, left = int((height - h + 1) * draw()), int((width - w + 1) * draw())
            out = x.clone()
            out[:, :, top : top + h, left : left + w] = 0
            return out
    return x


# the code's affine transform has no shift, scale or shear: it is the rotation once more
TRANSFORMS = (zoomed, flipped, rotated, rolled, padded, blurred, noised, peppered, rotated, erased)
