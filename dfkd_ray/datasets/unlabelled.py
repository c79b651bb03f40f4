"""Images that nobody labelled, from a folder or an `.npz`: what stands in for a teacher's own, and is none of them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from dfkd_ray.datasets.image_files import Files, sound
from dfkd_ray.datasets.listing import entries, pictures_in
from dfkd_ray.datasets.readers import WHICH, fit
from dfkd_ray.datasets.task import Task, TeacherRef
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.registry import did_you_mean


def unlabelled(place: Path, image: tuple[int, int, int], most: int) -> Tensor:
    """(N, C, H, W) uint8 at the size `image` (C, H, W): at most so many, evenly over all that are there, in order.

    place: a folder, whose pictures count however deep they lie, cut to squares; or an `.npz` with `images`, or
    `train_images`, `val_images`, `test_images`. Files that are no complete images are named and left out. DataError.
    """
    task = Task(
        name=place.resolve().name or "images",
        reader="none",
        classes=("of them", "of none"),
        image=image,
        mean=(0.0,) * image[0],
        std=(1.0,) * image[0],
        teacher=TeacherRef("resnet8"),  # which is never opened
        student="resnet8",
        skip_damaged=most - 1,
    )
    if place.suffix == ".npz" and place.is_file():
        pixels = _arrays(place)
    elif place.is_dir():
        names = pictures_in(place, deep=True)
        files = Files(place, [names[row] for row in _evenly(len(names), most)])
        if not names:
            raise DataError(f"{place}: there is no picture in this folder")
        none = np.zeros(len(files), np.int64)
        pixels, _ = sound((files, none), lambda some: some.read(task, "unlabelled", "memory"), task.skip_damaged)
    else:
        beside = [entry.name for entry in entries(place.parent)] if place.parent.is_dir() else []
        near = did_you_mean(place.name, beside).partition(" (")[0]
        raise DataError(f"{place}: there is no such folder of images, or .npz{near}")
    pixels = pixels[_evenly(len(pixels), most)]
    return fit(task, pixels, np.zeros(len(pixels), np.int64), str(place)).images


def _evenly(count: int, most: int) -> NDArray[np.int64]:
    """At most so many rows of `count`."""
    return np.arange(count) if count <= most else np.arange(most) * count // most


def _arrays(file: Path) -> NDArray[Any]:
    """All images of an `.npz`, (N, H, W) or (N, H, W, C) uint8."""
    keys = ("images", *(f"{which}_images" for which in WHICH))
    try:
        with np.load(file, allow_pickle=False) as archive:
            found = [archive[key] for key in keys if key in archive.files]
            there = ", ".join(archive.files) or "nothing"
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{file}: not an .npz of plain arrays: {error}") from None
    if not found:
        raise DataError(f"{file}: expected one of {', '.join(keys)}; found {there}")
    for each in found:
        if each.dtype != np.uint8 or each.ndim not in (3, 4) or each.shape[1:] != found[0].shape[1:]:
            shape = f"{each.dtype} {each.shape}"
            raise DataError(f"{file}: images must be uint8 of one shape (N, H, W) or (N, H, W, C), got {shape}")
    if not sum(map(len, found)):
        raise DataError(f"{file}: there is no image")
    return np.concatenate(found)
