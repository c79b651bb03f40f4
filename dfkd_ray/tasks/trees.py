"""The readers of image files in folders: a folder for each class, as torchvision, fast.ai and ImageNet lay them out.

Each hands over its files in a `balanced` order, unread, so that a validation split is set aside before any is decoded.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence, Set
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfkd_ray.errors import DataError
from dfkd_ray.registry import did_you_mean
from dfkd_ray.tasks.files import Files
from dfkd_ray.tasks.readers import Part, Parts, balanced, readers
from dfkd_ray.tasks.task import Task

ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".ppm", ".pgm")
_SHOWN = 5  # names in a message


@readers.register("folders")
def _folders(task: Task, data: Path, download: bool) -> Parts:
    """`train/`, `val/`, `test/`, a folder for each class in each, under the folder or under one of the task's name.

    Without a `test/`, `val/` is the test split.
    """
    layout = f"{task.name}/ or itself with train/, val/ and test/, and in each a folder for each class"
    root = _root(task, data, ["", task.name], ("train", "val", "test"), layout, "nothing can download it")
    if (root / "test").is_dir():
        return _splits(task, root, {"train": "train", "val": "val", "test": "test"})
    return _splits(task, root, {"train": "train", "test": "val"})


@readers.register("imagenet")
def _imagenet(task: Task, data: Path, download: bool) -> Parts:
    """ImageNet (ILSVRC 2012): `train/` and `val/` with a folder for each class; its `val/` is the test split.

    One of the two may be missing: from `val/` alone, hold_out.test images are set aside for validation.
    """
    layout = "imagenet/ or itself with train/ and val/, and in each a folder for each class, by WordNet id"
    how = "image-net.org gives its archives to those who sign up; torchvision.datasets.ImageNet unpacks them"
    root = _root(task, data, ["", "imagenet"], ("train", "val"), layout, how)
    return _splits(task, root, {"train": "train", "test": "val"})


@readers.register("imagenette")
def _imagenette(task: Task, data: Path, download: bool) -> Parts:
    """fast.ai's Imagenette, version 2: `train/`, `val/` under `imagenette2-160/`, `imagenette2-320/` or `imagenette2/`.

    Its `val/` is the test split. Of several copies the smallest is read that needs no enlarging.
    """
    copies = {"imagenette2-160": (160, "160px"), "imagenette2-320": (320, "320px"), "imagenette2": (math.inf, "full")}
    needed = round(task.image[1] / task.crop)
    best = next(place for place, (shorter, _) in copies.items() if shorter >= needed)
    places = ["", best, *reversed(copies)]
    find = partial(_root, task, data, places, ("train", "val"), "imagenette2-160/, imagenette2-320/ or imagenette2/")
    root = _found_or_fetched(find, "Imagenette", data, download, size=copies[best][1])
    return _splits(task, root, {"train": "train", "test": "val"})


@readers.register("tiny_imagenet")
def _tiny_imagenet(task: Task, data: Path, download: bool) -> Parts:
    """Tiny ImageNet: `train/<id>/images/`, and `val/images/` with `val/val_annotations.txt`, which is the test split.

    The labels of its own test images were never published.
    """
    layout = "tiny-imagenet-200/, the unpacked tiny-imagenet-200.zip"
    how = "nothing can download it: the zip is that of Stanford's course CS231n, which made the set"
    root = _root(task, data, ["tiny-imagenet-200", ""], ("train", "val"), layout, how)
    parts: Parts = {"train": partial(_part, task, root / "train", "images"), "test": partial(_annotated, task, root)}
    return {which: parts[which] for which, folder in (("train", "train"), ("test", "val")) if (root / folder).is_dir()}


@readers.register("caltech101")
def _caltech101(task: Task, data: Path, download: bool) -> Parts:
    """Caltech101: `101_ObjectCategories/`, where torchvision puts it or anywhere near; BACKGROUND_Google is no class.

    It has no split of its own. Of each class of n images max(floor(n / 5), 2), drawn with seed 1, are the test split:
    the counts of DFAD's script and of CDFKD-MFS's stratified 80 to 20. Which images those are is a reconstruction: what
    DFAD's script draws depends on the order in which a disk lists the files.
    """
    places = ["caltech101/101_ObjectCategories", "101_ObjectCategories", "caltech-101/101_ObjectCategories", ""]
    find = partial(_root, task, data, places, task.folders or task.classes, "caltech101/101_ObjectCategories/")
    root = _found_or_fetched(find, "Caltech101", data, download)
    return {which: partial(_fifth, task, root, which == "test") for which in ("train", "test")}


def _fifth(task: Task, root: Path, test: bool) -> Part:
    """A fifth of each class, or what is left of it."""
    names, labels = _listed(task, root, ignored={"BACKGROUND_Google"})
    drawn = balanced(labels, seed=1)
    kept: list[int] = []
    for label, name in enumerate(task.classes):
        members = drawn[labels[drawn] == label]
        cut = max(len(members) // 5, 2)
        if len(members) <= cut:
            raise DataError(f"{root}: {len(members)} images of {name} are too few to be split")
        kept += (members[:cut] if test else members[cut:]).tolist()
    kept.sort()
    return _balanced(root, [names[row] for row in kept], labels[kept])


def _root(task: Task, data: Path, places: Sequence[str], marks: Sequence[str], layout: str, how: str) -> Path:
    """The first of the places under `data` that holds one of the marks, which are folders."""
    for place in places:
        if any((data / place / mark).is_dir() for mark in marks):
            return data / place
    raise DataError(
        f"{data}: there are no images of {task.name}\n"
        f"  give --data DIR, a folder with {layout},\n"
        f"  or --data FILE.npz with uint8 images and labels;\n"
        f"  {how}"
    )


def _found_or_fetched(find: Callable[[str], Path], dataset: str, data: Path, download: bool, **how_much: str) -> Path:
    """What `find` finds; where that is nothing and `download`, what it finds once torchvision has fetched it."""
    how = f"--download fetches the official files into {data}"
    try:
        return find(how)
    except DataError:
        if not download:
            raise
    from torchvision import datasets  # here, because importing it takes seconds

    try:
        getattr(datasets, dataset)(str(data), download=True, **how_much)
    except (OSError, RuntimeError, ValueError, EOFError, ImportError) as error:
        raise DataError(f"{data}: the download failed: {str(error).strip() or type(error).__name__}") from None
    return find(how)


def _splits(task: Task, root: Path, folders: dict[str, str]) -> Parts:
    """The splits whose folders are there."""
    there = {which: root / folder for which, folder in folders.items() if (root / folder).is_dir()}
    return {which: partial(_part, task, folder) for which, folder in there.items()}


def _part(task: Task, root: Path, within: str = "") -> Part:
    return _balanced(root, *_listed(task, root, within))


def _listed(
    task: Task, root: Path, within: str = "", ignored: Set[str] = frozenset()
) -> tuple[list[str], NDArray[np.int64]]:
    """Files and labels of a folder with a folder for each class, where `within` names the folder of its images."""
    known = task.folders or task.classes
    found = {entry.name for entry in _entries(root) if entry.is_dir()} - ignored
    if unknown := sorted(found.difference(known)):
        others = f", and {len(unknown) - 1} more like it" if len(unknown) > 1 else ""
        raise DataError(f"{root}: {_unknown(task, unknown[0])}{others}")
    if missing := [name for name in known if name not in found]:
        raise DataError(
            f"{root}: {len(missing)} of the {len(known)} classes of {task.name} are missing: {_some(missing)}"
        )
    names: list[str] = []
    labels: list[int] = []
    for label, folder in enumerate(known):
        own = _images(root / folder / within)
        names += [str(Path(folder, within, name)) for name in own]
        labels += [label] * len(own)
    return names, np.array(labels)


def _annotated(task: Task, root: Path) -> Part:
    """The files of `val/images/` by `val/val_annotations.txt`: on each line a file, its class's folder, a box; tabs."""
    table, images = root / "val" / "val_annotations.txt", root / "val" / "images"
    try:
        lines = table.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table}: cannot be read: {error}") from None
    label_of = {name: label for label, name in enumerate(task.folders or task.classes)}
    there = set(_images(images))
    stated: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        name, folder = (*line.split("\t"), "")[:2]
        if folder not in label_of:
            raise DataError(f"{table}:{number}: {_unknown(task, folder)}")
        if name not in there or name in stated:
            raise DataError(f"{table}:{number}: {name} {'stands twice' if name in stated else f'is not in {images}'}")
        stated[name] = label_of[folder]
    if unstated := sorted(there.difference(stated)):
        raise DataError(f"{table}: {len(unstated)} of the images have no line: {_some(unstated)}")
    return _balanced(images, list(stated), np.array(list(stated.values())))


def _balanced(root: Path, names: list[str], labels: NDArray[np.int64]) -> Part:
    order = balanced(labels)
    return Part(Files(root, [names[row] for row in order]), labels[order])


def _images(folder: Path) -> list[str]:
    names = sorted(entry.name for entry in _entries(folder) if entry.name.lower().endswith(ENDINGS))
    if not names:
        raise DataError(f"{folder}: there is no image")
    return names


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, without what is hidden."""
    try:
        with os.scandir(folder) as found:
            return [entry for entry in found if not entry.name.startswith(".")]
    except OSError as error:
        raise DataError(f"{folder}: cannot be read: {error}") from None


def _unknown(task: Task, folder: str) -> str:
    near = did_you_mean(folder, task.folders or task.classes).partition(" (known")[0]  # which may be a thousand
    return f"{folder!r} is no class of {task.name}{near}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
