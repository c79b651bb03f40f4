"""The readers of the three fine-grained sets of DFKD-FGVC, as their publishers lay them out.

Lists say which image is of which class and split. The publishers number their classes from 1 and say which name has
which number; here a class is found by its name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dfkd_ray.datasets.naming import Classes, some
from dfkd_ray.datasets.readers import Opened, Part, readers
from dfkd_ray.datasets.task import Task
from dfkd_ray.datasets.trees import lines, locate, part, splits
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.words import counted


@readers.register("aircraft")
def _aircraft(task: Task, data: Path) -> Opened:
    """FGVC-Aircraft: `images/`, `images_variant_trainval.txt`, `images_variant_test.txt` under `data/`."""
    lists = {"train": "images_variant_trainval.txt", "test": "images_variant_test.txt"}
    layout = "fgvc-aircraft-2013b/, the unpacked fgvc-aircraft-2013b.tar.gz"
    root = locate(task, data, ["fgvc-aircraft-2013b/data", "data", ""], [*lists.values()], layout)
    there = {which: root / name for which, name in lists.items() if (root / name).is_file()}
    return Opened(root, {which: partial(_variants, task, table) for which, table in there.items()})


def _variants(task: Task, table: Path) -> Part:
    """The images of a list: on each line a number and a variant."""
    classes = Classes(task.classes, task.name)
    labels: dict[str, int] = {}
    for number, line in lines(table):
        image, _, variant = line.strip().partition(" ")
        label = classes.label(variant)
        if label is None:
            raise DataError(f"{table}:{number}: {classes.unknown([variant])}")
        labels[f"{image}.jpg"] = label
    return part(table.parent / "images", [*labels], np.array([*labels.values()]))


@readers.register("cub200")
def _cub200(task: Task, data: Path) -> Opened:
    """CUB-200-2011: `images/`, `images.txt`, `train_test_split.txt`, `image_class_labels.txt`, `classes.txt`."""
    layout = "CUB_200_2011/, the unpacked CUB_200_2011.tgz"
    root = locate(task, data, ["CUB_200_2011", ""], ["train_test_split.txt"], layout)
    flags = {"train": "1", "test": "0"}
    return Opened(root, {which: partial(_birds, task, root, flag) for which, flag in flags.items()})


def _birds(task: Task, root: Path, flag: str) -> Part:
    """The images whose training flag that is."""
    images, chosen, classes = (root / f"{name}.txt" for name in ("images", "train_test_split", "image_class_labels"))
    names, flags, numbers = (_numbered(table) for table in (images, chosen, classes))
    for table, stated in {chosen: flags, classes: numbers}.items():
        if without := [name for image, name in names.items() if image not in stated]:
            raise DataError(f"{table}: no line for {counted(len(without), 'image')}: {some(without)}")
    own = [image for image in names if flags[image] == flag]
    labels = _labels(task, _numbered(root / "classes.txt"), (numbers[image] for image in own), classes)
    return part(root / "images", [names[image] for image in own], labels)


def _numbered(table: Path) -> dict[str, str]:
    """On each line a number and, behind a space, what has that number."""
    stated: dict[str, str] = {}
    for number, line in lines(table):
        key, _, value = line.strip().partition(" ")
        if not value or key in stated:
            what = f"the number {key} stands twice" if value else f"expected a number and what has it, got {line!r}"
            raise DataError(f"{table}:{number}: {what}")
        stated[key] = value
    return stated


@readers.register("cars196")
def _cars196(task: Task, data: Path) -> Opened:
    """Cars196: `devkit/`, `cars_train/` and `cars_test/`, or `train/` and `test/` with a folder for each class.

    The labels of the test images are in `cars_test_annos_withlabels.mat`, in `devkit/` or beside it.
    """
    layout = "devkit/, cars_train/ and cars_test/, or train/ and test/ with a folder for each class"
    official = {"train": "cars_train", "test": "cars_test"}
    root = locate(task, data, ["", "cars196", "stanford_cars"], [*official.values(), *official], layout)
    there = {which: root / name for which, name in official.items() if (root / name).is_dir()}
    if not there:
        return splits(task, root, {which: which for which in official})
    return Opened(root, {which: partial(_cars, task, folder) for which, folder in there.items()})


def _cars(task: Task, images: Path) -> Part:
    """The images of a folder by the table of the devkit that is called like it."""
    devkit = images.parent / "devkit"
    name = f"{images.name}_annos{'_withlabels' if images.name == 'cars_test' else ''}.mat"
    table = next((path for path in (devkit / name, images.parent / name) if path.is_file()), devkit / name)
    names = dict(enumerate(_mat(devkit / "cars_meta.mat", "class_names"), start=1))
    twice = images / images.name  # as a copy of the set is packed that many have
    images = twice if twice.is_dir() else images
    rows = _mat(table, "annotations")
    if rows.dtype.names is None or not {"class", "fname"} <= {*rows.dtype.names}:
        raise DataError(f"{table}: annotations without class and fname")
    return part(images, [*map(str, rows["fname"])], _labels(task, names, map(int, rows["class"]), table))


def _mat(path: Path, key: str) -> np.ndarray[Any, Any]:
    """What a file of MATLAB's holds under a name, as one row."""
    from scipy.io import loadmat  # here, because importing it takes half a second

    if not path.is_file():
        raise DataError(f"{path}: there is no such file")
    try:
        return np.atleast_1d(loadmat(path, squeeze_me=True)[key])
    except KeyError:
        raise DataError(f"{path}: there is no {key} in it") from None
    except Exception as error:  # a damaged file raises almost anything
        raise DataError(f"{path}: cannot be read: {str(error) or type(error).__name__}") from None


def _labels(task: Task, names: Mapping[Any, str], numbers: Iterable[Any], table: Path) -> np.ndarray[Any, Any]:
    """Labels from the publisher's numbers of classes and their names; `table`: where the numbers stand."""
    classes = Classes(task.classes, task.name)
    label_of = {number: classes.label(str(name)) for number, name in names.items()}
    if strangers := [str(names[number]) for number, label in label_of.items() if label is None]:
        raise DataError(f"{table.parent}: {classes.unknown(strangers)}")
    labels = []
    for number in numbers:
        if number not in label_of:
            raise DataError(f"{table}: there is no class {number}: they are numbered from 1 to {len(names)}")
        labels.append(label_of[number])
    return np.array(labels)
