"""The readers of image files in folders: a folder for each class, as torchvision, fast.ai and ImageNet lay them out.

Each hands over its files in a `balanced` order, unread, so that a validation split is set aside before any is decoded.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dfkd_ray.datasets.image_files import Files
from dfkd_ray.datasets.listing import folders_in, pictures_in
from dfkd_ray.datasets.naming import Classes, some
from dfkd_ray.datasets.readers import Opened, Part, Parts, balanced, missing, readers
from dfkd_ray.datasets.task import Task
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.words import counted


@readers.register("folders")
def _folders(task: Task, data: Path) -> Opened:
    """`train/`, `val/`, `test/`, a folder for each class in each, under the folder or under one of the task's name.

    Without a `test/`, `val/` is the test split.
    """
    layout = f"{task.name}/ or itself with train/, val/ and test/, and in each a folder for each class"
    root = locate(task, data, ["", task.name], ("train", "val", "test"), layout)
    if (root / "test").is_dir():
        return splits(task, root, {"train": "train", "val": "val", "test": "test"})
    return splits(task, root, {"train": "train", "test": "val"})


@readers.register("imagenet")
def _imagenet(task: Task, data: Path) -> Opened:
    """ImageNet (ILSVRC 2012): `train/` and `val/` with a folder for each class; its `val/` is the test split.

    One of the two may be missing: from `val/` alone, hold_out.test images are set aside for validation.
    """
    layout = "imagenet/ or itself with train/ and val/, and in each a folder for each class, by WordNet id"
    root = locate(task, data, ["", "imagenet"], ("train", "val"), layout)
    return splits(task, root, {"train": "train", "test": "val"})


@readers.register("imagenette")
def _imagenette(task: Task, data: Path) -> Opened:
    """fast.ai's Imagenette, version 2: `train/`, `val/` under `imagenette2-160/`, `imagenette2-320/` or `imagenette2/`.

    Its `val/` is the test split. Of several copies the smallest is read that needs no enlarging.
    """
    copies = {"imagenette2-160": 160, "imagenette2-320": 320, "imagenette2": math.inf}
    needed = round(task.image[1] / task.crop)
    best = next(copy for copy, shorter in copies.items() if shorter >= needed)
    places = ["", best, *reversed(copies)]
    root = locate(task, data, places, ("train", "val"), "imagenette2-160/, imagenette2-320/ or imagenette2/")
    return splits(task, root, {"train": "train", "test": "val"})


@readers.register("tiny_imagenet")
def _tiny_imagenet(task: Task, data: Path) -> Opened:
    """Tiny ImageNet: `train/<id>/images/`, and `val/images/` with `val/val_annotations.txt`, which is the test split.

    The labels of its own test images were never published.
    """
    layout = "tiny-imagenet-200/, the unpacked tiny-imagenet-200.zip"
    root = locate(task, data, ["tiny-imagenet-200", ""], ("train", "val"), layout)
    parts: Parts = {"train": ClassFolders(task, root / "train", "images"), "test": partial(_annotated, task, root)}
    there = (which for which, folder in (("train", "train"), ("test", "val")) if (root / folder).is_dir())
    return Opened(root, {which: parts[which] for which in there})


@readers.register("caltech101")
def _caltech101(task: Task, data: Path) -> Opened:
    """Caltech101: `101_ObjectCategories/`, where torchvision puts it or anywhere near; BACKGROUND_Google is no class.

    It has no split of its own. Of each class of n images max(floor(n / 5), 2), drawn with seed 1, are the test split:
    the counts of DFAD's script and of CDFKD-MFS's stratified 80 to 20. Which images those are is a reconstruction: what
    DFAD's script draws depends on the order in which a disk lists the files.
    """
    places = ["caltech101/101_ObjectCategories", "101_ObjectCategories", "caltech-101/101_ObjectCategories", ""]
    root = locate(task, data, places, task.folders or task.classes, "caltech101/101_ObjectCategories/")
    return Opened(root, {which: partial(_fifth, task, root, which == "test") for which in ("train", "test")})


def _fifth(task: Task, root: Path, test: bool) -> Part:
    """A fifth of each class, or what is left of it."""
    names, labels = _listed(task, root, ignored={"BACKGROUND_Google"})
    drawn = balanced(labels, seed=1)
    kept: list[int] = []
    for label, name in enumerate(task.classes):
        members = drawn[labels[drawn] == label]
        cut = max(len(members) // 5, 2)
        if len(members) <= cut:
            raise DataError(f"{root}: {counted(len(members), 'image')} of {name}: too few to be split")
        kept += (members[:cut] if test else members[cut:]).tolist()
    kept.sort()
    return part(root, [names[row] for row in kept], labels[kept])


def locate(task: Task, data: Path, places: Sequence[str], marks: Sequence[str], layout: str) -> Path:
    """The first of the places under `data` that holds one of the marks, which are files or folders."""
    for root in (data / place for place in places):
        if any((root / mark).exists() for mark in marks):
            return root
    raise missing(task, data, layout)


def splits(task: Task, root: Path, folders: dict[str, str], partly: bool = False) -> Opened:
    """The splits whose folders are there; partly: not every class has to be."""
    there = {which: root / folder for which, folder in folders.items() if (root / folder).is_dir()}
    return Opened(root, {which: ClassFolders(task, folder, partly=partly) for which, folder in there.items()})


@dataclass(frozen=True)
class ClassFolders:
    """The split of a folder with a folder for each class; `within`: in each, that of its images.

    partly: not every class has to be, those without images are none, and images in folders within are of their class.
    ignored: folders that are no class.
    """

    task: Task
    root: Path
    within: str = ""
    partly: bool = False
    ignored: Set[str] = frozenset()

    def __call__(self) -> Part:
        return part(self.root, *self.listed())

    def listed(self) -> tuple[list[str], NDArray[np.int64]]:
        """Files and their labels, in the order of the labels."""
        return _listed(self.task, self.root, self.within, self.ignored, self.partly)


def _listed(
    task: Task, root: Path, within: str = "", ignored: Set[str] = frozenset(), partly: bool = False
) -> tuple[list[str], NDArray[np.int64]]:
    """Files and labels of a folder with a folder for each class, where `within` names the folder of its images."""
    found = folders_in(root) - ignored
    pictures = {folder: pictures_in(root / folder, deep=True) for folder in found} if partly else {}
    folders = _placed(task, root, {folder for folder in found if pictures.get(folder, True)}, partly)
    names: list[str] = []
    labels: list[int] = []
    for label, folder in sorted(folders.items()):
        own = pictures[folder] if partly else _images(root / folder / within)
        names += [str(Path(folder, within, name)) for name in own]
        labels += [label] * len(own)
    return names, np.array(labels)


def _placed(task: Task, root: Path, found: Set[str], partly: bool) -> dict[int, str]:
    """The folder of each class by its label."""
    known = task.folders or task.classes
    classes = Classes(known, task.name)
    folders: dict[int, str] = {}
    unknown: list[str] = []
    for folder in sorted(found):
        label = classes.label(folder)
        if label is None:
            unknown.append(folder)
        elif label in folders:
            raise DataError(f"{root}: {folders[label]!r} and {folder!r} are the same class of {task.name}")
        else:
            folders[label] = folder
    if unknown:
        raise DataError(f"{root}: {classes.unknown(unknown)}")
    if not partly and (missing := [name for label, name in enumerate(known) if label not in folders]):
        raise DataError(f"{root}: without {len(missing)} of the {len(known)} classes of {task.name}: {some(missing)}")
    return folders


def _annotated(task: Task, root: Path) -> Part:
    """The files of `val/images/` by `val/val_annotations.txt`: on each line a file, its class's folder, a box; tabs."""
    table, images = root / "val" / "val_annotations.txt", root / "val" / "images"
    classes, there = Classes(task.folders or task.classes, task.name), set(_images(images))
    stated: dict[str, int] = {}
    for number, line in lines(table):
        name, folder = (*line.split("\t"), "")[:2]
        label = classes.exact.get(folder)
        if label is None:
            raise DataError(f"{table}:{number}: {classes.unknown([folder])}")
        if name not in there or name in stated:
            raise DataError(f"{table}:{number}: {name} {'stands twice' if name in stated else f'is not in {images}'}")
        stated[name] = label
    if unstated := sorted(there.difference(stated)):
        raise DataError(f"{table}: no line for {counted(len(unstated), 'image')}: {some(unstated)}")
    return part(images, list(stated), np.array(list(stated.values())))


def part(root: Path, names: Sequence[str], labels: NDArray[np.int64]) -> Part:
    """Files and their labels in a balanced order."""
    if not names:
        raise DataError(f"{root}: there is no image of this split")
    order = balanced(labels)
    return Part(Files(root, [names[row] for row in order]), labels[order])


def lines(table: Path) -> list[tuple[int, str]]:
    """The lines of a text, numbered from 1, without those that are empty."""
    try:
        text = table.read_text(encoding="utf-8")
        return [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{table}: cannot be read: {error}") from None


def _images(folder: Path) -> list[str]:
    if not (names := pictures_in(folder)):
        raise DataError(f"{folder}: there is no image")
    return names
