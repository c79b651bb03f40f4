"""Where images come from: drawn, bundled, files, or one `.npz`; `split` makes them what a net is fed.

A reader returns the splits that its data has of its own; where there is none for validation, the task's `hold_out` says
what is set aside. A reader downloads nothing: `fetched` does, where it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dfkd_ray.datasets import dense
from dfkd_ray.datasets.fetch import fetch
from dfkd_ray.datasets.image_files import Files, data_folder, sound
from dfkd_ray.datasets.naming import Classes
from dfkd_ray.datasets.origin import Archive
from dfkd_ray.datasets.task import Task
from dfkd_ray.util.choices import Cache
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.registry import Registry
from dfkd_ray.util.words import counted

SplitName = Literal["train", "val", "test"]
WHICH: tuple[SplitName, ...] = ("train", "val", "test")


class Split(NamedTuple):
    """images (N, C, H, W) uint8, labels (N,) int64; of dense targets `labels` are (N, H, W), see `dense.fitted`."""

    images: Tensor
    labels: Tensor


class Part(NamedTuple):
    """Images as the source has them, (N, H, W) or (N, H, W, C) uint8 or files, and labels (N,) of integers, or dense
    targets (N, H, W)."""

    images: NDArray[Any] | Files
    labels: NDArray[Any]


class NoSplit(DataError):
    """There is data, but not of this split: no images to train with, say, or none that may choose anything."""


Parts = Mapping[str, Callable[[], Part]]  # the splits of a source by name, read when called


class Opened(NamedTuple):
    """Where the images of a task lie, a folder or a file (None: on no disk), and its splits, unread."""

    root: Path | None
    parts: Parts


Reader = Callable[[Task, Path], Opened]  # (task, folder of data sets or an .npz); DataError where there is nothing
readers: Registry[Reader] = Registry("reader")


def split(
    task: Task, which: SplitName, data: Path | None = None, download: bool = False, cache: Cache = "memmap"
) -> Split:
    """The images and labels of one split, in a fixed order.

    data: a folder with the reader's layout, or an `.npz` of uint8 images and labels (every task takes one). cache:
    where the images of folders lie once they are decoded. On the disk they are mapped: a tensor of 7.5 GB takes no
    memory until it is read. Raises DataError, with what to do, when the data is missing, damaged, does not fit the
    task or lacks the split.
    """
    (images, labels), origin = unread_split(task, which, data, download)
    if not isinstance(images, Files):
        return fit(task, images, labels, origin)
    pixels, labels = sound((images, labels), lambda files: files.read(task, which, cache), task.skip_damaged)
    return fit(task, pixels, labels, origin)


def unread_split(task: Task, which: SplitName, data: Path | None, download: bool) -> tuple[Part, str]:
    """One split as the source has it, its files unread, and what an error may call it."""
    if which not in WHICH:
        raise ValueError(f"which must be one of {', '.join(WHICH)}, got {which!r}")
    if download:
        fetched(task, data, which=which)
    root, parts = opened(task, data)
    origin = f"{task.reader if root is None else root}, {which}"
    return accepted(task, _take(task, parts, which, origin), origin), origin


def opened(task: Task, data: Path | None = None) -> Opened:
    """Where the images of a task lie, and its splits; DataError says what to do where there is nothing."""
    where = data or (data_folder() if task.data is None else Path(task.data))
    reader = readers["npz" if where.suffix == ".npz" else task.reader]
    if not task.among:
        return reader(task, where)
    whole = replace(task, classes=task.among, among=())
    root, parts = reader(whole, where)
    return Opened(root, {which: partial(_some_classes, task, whole, part) for which, part in parts.items()})


def _some_classes(task: Task, whole: Task, part: Callable[[], Part]) -> Part:
    """The images of a part of the whole task that are of the task's classes."""
    images, labels = accepted(whole, part(), task.name)
    classes = Classes(task.classes, task.name)
    numbers = np.array([-1 if (label := classes.exact.get(name)) is None else label for name in whole.classes])
    rows = np.flatnonzero(numbers[labels] >= 0)
    return Part(images[rows], numbers[labels[rows]])


def missing(task: Task, data: Path, layout: str) -> DataError:
    """The error of a reader that finds nothing: what to give it, and what can be downloaded."""
    how = f"`dfkd-ray data fetch {task.name}` brings it, or says who gives it"
    return DataError(
        f"{data}: there are no images of {task.name}\n"
        f"  give --data DIR, a folder with {layout},\n"
        f"  or --data FILE.npz with uint8 images and labels;\n"
        f"  {how if task.origin is not None else 'nothing can download it'}"
    )


def fetched(task: Task, data: Path | None = None, which: SplitName | None = None) -> tuple[Archive, ...]:
    """Download, check and unpack what is missing, of all splits or of one; returns the archives that were.

    None are where the data is there, wherever its reader finds it.
    """
    if _there(task, data, which):
        return ()
    try:
        return fetch(task, data or data_folder())
    except DataError:
        if _there(task, data, which):  # somebody else brought it between the two looks
            return ()
        raise


def _there(task: Task, data: Path | None, which: SplitName | None) -> bool:
    """Whether nothing is missing; DataError where something is that cannot be downloaded."""
    origin = task.origin if data is None or data.suffix != ".npz" else None
    try:
        found = opened(task, data).parts
    except DataError:
        if origin is None:
            raise
        return False
    return origin is None or origin.splits <= {*found} or which == "val" or which in found


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


def _take(task: Task, parts: Parts, which: SplitName, origin: str) -> Part:
    """The part `which`; where there is none for validation, training or test split lends its images: see HoldOut."""
    lender, share = ("train", task.hold_out.train) if "train" in parts else ("test", task.hold_out.test)
    if which not in parts and (which != "val" or lender not in parts or share == 0):
        raise NoSplit(f"{origin}: there is no such split for the task {task.name} (there is: {', '.join(parts)})")
    if "val" in parts or which not in ("val", lender) or share == 0:
        return parts[which]()
    images, labels = parts[lender]()
    count = max(1, round(share * len(images))) if share < 1 else int(share)
    if len(images) <= count:
        lent = f"{counted(len(images), f'{lender} image')}, but hold_out of {task.name} sets {count} aside"
        if lender == "test" and which == "test":  # too few to lend any: they are all there to measure
            return Part(images, labels)
        raise (NoSplit if lender == "test" else DataError)(f"{origin}: {lent}; --hold-out 0.2 takes a share of them")
    cut = len(images) - count if lender == "train" else count
    first = (which == "val") == (lender == "test")
    return Part(images[:cut], labels[:cut]) if first else Part(images[cut:], labels[cut:])


def accepted(task: Task, part: Part, origin: str) -> Part:
    """The part; DataError where its images or labels are none that the task can have."""
    images, labels = part
    if not isinstance(images, Files) and (images.dtype != np.uint8 or images.ndim not in (3, 4)):
        shape = f"{images.dtype} {images.shape}"
        raise DataError(f"{origin}: images must be uint8 of shape (N, H, W) or (N, H, W, C), got {shape}")
    if task.targets != "classes":
        if isinstance(images, Files):
            raise DataError(f"{origin}: {task.targets} is read from arrays alone: give --data FILE.npz")
        return Part(images, dense.checked(task, labels, images.shape[:3], origin))
    if labels.shape != (len(images),) or labels.dtype.kind not in "iu":
        wanted = counted(len(images), "integer")
        raise DataError(f"{origin}: labels must be {wanted}, got {labels.dtype} {labels.shape}")
    if len(labels) == 0:
        raise DataError(f"{origin}: there is no image")
    if labels.min() < 0 or labels.max() >= len(task.classes):
        span, count = f"{labels.min()}..{labels.max()}", len(task.classes)
        shifted = (
            " (0 is the first: they seem to start at 1, take 1 off)"
            if labels.min() == 1 and labels.max() == count
            else ""
        )
        raise DataError(f"{origin}: labels {span} do not fit the {count} classes of {task.name}{shifted}")
    return part


def fit(task: Task, pixels: NDArray[Any], labels: NDArray[Any], origin: str) -> Split:
    """NHWC of the source to (N, C, H, W) of the task: grey repeated, other sizes padded or resized."""
    images, (_, height, width) = channelled(task, pixels, origin), task.image
    down, right = height - images.shape[2], width - images.shape[3]
    if task.fit == "pad" and min(down, right) >= 0:
        images = F.pad(images, (right // 2, right - right // 2, down // 2, down - down // 2))
    elif (down, right) != (0, 0):
        smooth = F.interpolate(images.float(), (height, width), mode="bilinear", antialias=True)
        images = smooth.round().clamp(0, 255).to(torch.uint8)
    whole = torch.from_numpy(labels.astype(np.int64)) if task.targets == "classes" else dense.fitted(task, labels)
    return Split(images.contiguous(), whole)


def channelled(task: Task, pixels: NDArray[Any], origin: str) -> Tensor:
    """(N, H, W) or (N, H, W, C) of the source as (N, C, H, W) with the task's channels, in the source's size."""
    images, channels = torch.from_numpy(pixels), task.image[0]
    images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2)
    if images.shape[1] == 1:
        images = images.expand(-1, channels, -1, -1)
    if images.shape[1] != channels:
        raise DataError(f"{origin}: {counted(images.shape[1], 'channel')} where {task.name} has {channels}")
    return images
