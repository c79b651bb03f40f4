"""Where images come from: drawn, bundled, files, or one `.npz`; `split` makes them what a net is fed.

A reader returns the splits that its data has of its own; where there is none for validation, the task's `hold_out` says
what is set aside. Nothing is downloaded unless `download=True`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dfkd_ray.errors import DataError
from dfkd_ray.registry import Registry
from dfkd_ray.tasks.files import Files, data_folder
from dfkd_ray.tasks.task import Task

Which = Literal["train", "val", "test"]
WHICH: tuple[Which, ...] = ("train", "val", "test")


class Split(NamedTuple):
    """images (N, C, H, W) uint8, labels (N,) int64."""

    images: Tensor
    labels: Tensor


class Part(NamedTuple):
    """Images as the source has them, (N, H, W) or (N, H, W, C) uint8 or files, and labels (N,) of integers."""

    images: NDArray[Any] | Files
    labels: NDArray[Any]


Parts = Mapping[str, Callable[[], Part]]  # the splits of a source by name, read when called
Reader = Callable[[Task, Path, bool], Parts]  # (task, folder of data sets or an .npz, may it download) -> splits
readers: Registry[Reader] = Registry("reader")


def split(task: Task, which: Which, data: Path | None = None, download: bool = False) -> Split:
    """The images and labels of one split, in a fixed order.

    data: a folder with the reader's layout, or an `.npz` of uint8 images and labels (every task takes one). The images
    of folders stay on the disk, in a cache that is mapped: a tensor of 7.5 GB takes no memory until it is read.
    Raises DataError, with what to do, when the data is missing, damaged, does not fit the task or lacks the split.
    """
    if which not in WHICH:
        raise ValueError(f"which must be one of {', '.join(WHICH)}, got {which!r}")
    reader = "npz" if data is not None and data.suffix == ".npz" else task.reader
    parts = readers[reader](task, data or data_folder(), download)
    origin = f"{data if reader == 'npz' else reader}, {which}"
    images, labels = _checked(task, _take(task, parts, which, origin), origin)
    if isinstance(images, Files):
        images = images.read(task, which)
    return _fit(task, images, labels, origin)


def balanced(labels: NDArray[Any], seed: int = 0) -> NDArray[np.int64]:
    """An order of rows in which every beginning and every end holds the classes by their shares, give or take an image.

    Within its class of n, in an order drawn with `seed`, row j (from 0) stands at (j + 1/2) / n of the whole.
    """
    drawn = np.random.Generator(np.random.PCG64(seed)).permutation(len(labels))
    by_class = drawn[np.argsort(labels[drawn], kind="stable")]
    sizes = np.bincount(labels)[labels[by_class]]
    firsts = np.searchsorted(labels[by_class], labels[by_class])
    place = (np.arange(len(labels)) - firsts + 0.5) / sizes
    return by_class[np.argsort(place, kind="stable")]


def _take(task: Task, parts: Parts, which: Which, origin: str) -> Part:
    """The part `which`; where there is none for validation, training or test split lends its images: see HoldOut."""
    lender, count = ("train", task.hold_out.train) if "train" in parts else ("test", task.hold_out.test)
    if which not in parts and (which != "val" or lender not in parts):
        raise DataError(f"{origin}: there is no such split for the task {task.name} (there is: {', '.join(parts)})")
    if "val" in parts or which not in ("val", lender):
        return parts[which]()
    images, labels = parts[lender]()
    if len(images) <= count:
        raise DataError(f"{origin}: {len(images)} {lender} images, but hold_out of {task.name} sets {count} aside")
    cut = len(images) - count if lender == "train" else count
    first = (which == "val") == (lender == "test")
    return Part(images[:cut], labels[:cut]) if first else Part(images[cut:], labels[cut:])


def _checked(task: Task, part: Part, origin: str) -> Part:
    images, labels = part
    if not isinstance(images, Files) and (images.dtype != np.uint8 or images.ndim not in (3, 4)):
        shape = f"{images.dtype} {images.shape}"
        raise DataError(f"{origin}: images must be uint8 of shape (N, H, W) or (N, H, W, C), got {shape}")
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        raise DataError(f"{origin}: labels must be {len(images)} integers, got {labels.dtype} {labels.shape}")
    if len(labels) == 0:
        raise DataError(f"{origin}: there is no image")
    if labels.min() < 0 or labels.max() >= len(task.classes):
        span = f"{labels.min()}..{labels.max()}"
        raise DataError(f"{origin}: labels {span} do not fit the {len(task.classes)} classes of {task.name}")
    return part


def _fit(task: Task, pixels: NDArray[Any], labels: NDArray[Any], origin: str) -> Split:
    """NHWC of the source to (N, C, H, W) of the task: grey repeated, other sizes padded or resized."""
    images = torch.from_numpy(pixels)
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    channels, height, width = task.image
    if images.shape[1] == 1:
        images = images.expand(-1, channels, -1, -1)
    if images.shape[1] != channels:
        raise DataError(f"{origin}: {images.shape[1]} channels do not fit the {channels} of {task.name}")
    down, right = height - images.shape[2], width - images.shape[3]
    if task.fit == "pad" and min(down, right) >= 0:
        images = F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2))
    elif (down, right) != (0, 0):
        smooth = F.interpolate(images.float(), (height, width), mode="bilinear", antialias=True)
        images = smooth.round().clamp(0, 255).to(torch.uint8)
    return Split(images.contiguous(), torch.from_numpy(labels.astype(np.int64)))
