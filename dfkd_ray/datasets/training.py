"""Training images as a teacher sees them: drawn batch by batch from the training split, augmented by the recipe."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from dfkd_ray.datasets import uncut
from dfkd_ray.datasets.image_files import Files, shorter, sound, square
from dfkd_ray.datasets.readers import channelled, split, unread_split
from dfkd_ray.datasets.task import Task
from dfkd_ray.datasets.uncut import Uncut
from dfkd_ray.util.choices import Cache
from dfkd_ray.util.host import decoders

Augment = Callable[[Tensor, torch.Generator], Tensor]
Crop = Callable[[Tensor, int, torch.Generator], Tensor]  # heights and widths (B, 2), side -> left, top, right, bottom


@dataclass(frozen=True)
class Training:
    """The training split of a task.

    labels: (N,) int64. draw: rows of it (B,) as images (B, C, H, W) uint8, augmented; the same rows and the same state
    of the generator make the same bits.
    """

    labels: Tensor
    draw: Augment


def training(task: Task, data: Path | None = None, download: bool = False, cache: Cache = "memmap") -> Training:
    """The images that a teacher is trained on, as `task.recipe.augment` says; DataError as `split` raises it."""
    crop = _CROPS.get(task.recipe.augment)
    if crop is None:
        images, labels = split(task, "train", data, download, cache)
        augment = _AUGMENTS[task.recipe.augment]
        return Training(labels, lambda index, rng: augment(images[index], rng))
    (source, classes), origin = unread_split(task, "train", data, download)
    if isinstance(source, Files):
        files = (source, classes)
        whole, classes = sound(files, lambda files: files.uncut(task, "train", cache), task.skip_damaged)
    else:
        whole = _uncut(task, source, origin)
    return Training(torch.from_numpy(classes.astype(np.int64)), _cutting(whole, task.image[1], crop))


def _cutting(images: Uncut, side: int, crop: Crop) -> Augment:
    """Crops of `side` pixels, each mirrored with probability 1/2.

    All numbers are drawn first, so threads may share the work: Pillow lets go of the interpreter while it resizes.
    """
    pool = decoders()

    def one(row: int, box: tuple[int, int, int, int], mirrored: bool) -> NDArray[np.uint8]:
        pixels = uncut.pixels(images[row].crop(box).resize((side, side), Image.Resampling.BILINEAR))
        return pixels[:, ::-1] if mirrored else pixels

    def draw(index: Tensor, rng: torch.Generator) -> Tensor:
        boxes = crop(torch.from_numpy(images.shapes[index.numpy(), :2]), side, rng)
        mirrored = torch.rand(len(index), generator=rng) < 0.5
        cut = pool.map(one, index.tolist(), boxes.tolist(), mirrored.tolist())
        return torch.from_numpy(np.stack(list(cut))).permute(0, 3, 1, 2)

    return draw


def _uncut(task: Task, pixels: NDArray[np.uint8], origin: str) -> Uncut:
    """The images of an array as those of files are: the shorter side resized."""
    _, side = square(task, origin)
    images, short = channelled(task, pixels, origin), round(side / task.crop)
    pictures = (uncut.picture(image.permute(1, 2, 0).numpy()) for image in images)
    return uncut.held((uncut.pixels(shorter(picture, short)) for picture in pictures), len(images))


def _flip(images: Tensor, rng: torch.Generator) -> Tensor:
    """Each image mirrored left to right with probability 1/2."""
    mirrored = torch.rand(len(images), generator=rng) < 0.5
    return torch.where(mirrored[:, None, None, None], images.flip(3), images)


def _crop_flip(images: Tensor, rng: torch.Generator, border: int = 4) -> Tensor:
    """A random crop out of a black border of 4 pixels, and a flip (He et al. 2016, section 4.2)."""
    n, _, h, w = images.shape
    padded = F.pad(images, (border,) * 4)
    top, left = torch.randint(0, 2 * border + 1, (2, n, 1, 1), generator=rng)
    rows, columns = torch.arange(h), torch.arange(w)
    batch = torch.arange(n)[:, None, None]
    crop = padded[batch, :, top + rows[None, :, None], left + columns[None, None, :]].permute(0, 3, 1, 2)
    return _flip(crop, rng)


def _dihedral(images: Tensor, rng: torch.Generator) -> Tensor:
    """The batch turned by a multiple of 90 degrees, each image mirrored or not: for what is seen from above."""
    turns = int(torch.randint(0, 4, (), generator=rng))
    return _flip(images.rot90(turns, (2, 3)), rng)


_AUGMENTS: dict[str, Augment] = {
    "none": lambda images, rng: images,
    "flip": _flip,
    "crop_flip": _crop_flip,
    "dihedral": _dihedral,
}


def _random_crop(shapes: Tensor, side: int, rng: torch.Generator) -> Tensor:
    """A square of `side` pixels anywhere: torchvision's RandomCrop."""
    sizes = torch.full_like(shapes, side)
    return _boxes(_anywhere(shapes, sizes, rng), sizes)


def _resized_crop(shapes: Tensor, side: int, rng: torch.Generator) -> Tensor:
    """0.08 to 1 of the area at a ratio of 3/4 to 4/3, anywhere: torchvision's RandomResizedCrop (Szegedy et al. 2015).

    Of ten draws the first that fits; where none does, as much as is at the nearest ratio, in the middle.
    """
    area, ratio = torch.rand(2, 10, len(shapes), generator=rng, dtype=torch.float64)
    area = (0.08 + 0.92 * area) * shapes.prod(1)
    ratio = ((2 * ratio - 1) * math.log(4 / 3)).exp()  # of width to height
    drawn = torch.stack([area / ratio, area * ratio], 2).sqrt().round().long()  # (10, B, 2): heights and widths
    fits = ((drawn >= 1) & (drawn <= shapes)).all(2)
    first, some = drawn[fits.int().argmax(0), torch.arange(len(shapes))], fits.any(0)[:, None]
    sizes = first.where(some, (shapes.flip(1) * 4 / 3).round().long().minimum(shapes))
    return _boxes(_anywhere(shapes, sizes, rng).where(some, (shapes - sizes) // 2), sizes)


def _anywhere(shapes: Tensor, sizes: Tensor, rng: torch.Generator) -> Tensor:
    """The top and the left (B, 2) of boxes of some height and width within images."""
    return (torch.rand(shapes.shape, generator=rng, dtype=torch.float64) * (shapes - sizes + 1)).long()


def _boxes(corners: Tensor, sizes: Tensor) -> Tensor:
    """Left, top, right, bottom (B, 4), as Pillow has them."""
    return torch.cat([corners.flip(1), (corners + sizes).flip(1)], 1)


_CROPS: dict[str, Crop] = {"random_crop_flip": _random_crop, "resized_crop_flip": _resized_crop}
