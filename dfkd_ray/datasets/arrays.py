"""The readers of arrays: one function each, registered under the name that a task's YAML gives."""

from __future__ import annotations

import importlib
import zipfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dfkd_ray.datasets import gliders
from dfkd_ray.datasets.readers import WHICH, Opened, Part, balanced, missing, readers
from dfkd_ray.datasets.task import Task
from dfkd_ray.util.errors import DataError, MissingExtra


@readers.register("gliders")
def _gliders(task: Task, data: Path) -> Opened:
    """Drawn in code at the task's side, the same images everywhere: no data is read."""

    def part(which: str) -> Part:
        drawn = gliders.split(which, task.image[-1])
        told: dict[str, Any] = {"classes": drawn.labels, "segmentation": drawn.parts, "depth": drawn.depth}
        return Part(drawn.images, told[task.targets])

    return Opened(None, {which: partial(part, which) for which in WHICH})


@readers.register("npz")
def _npz(task: Task, data: Path) -> Opened:
    """`images`, `labels` alone are a test split; `train_images`, `train_labels`, `val_...`, `test_...` are those.

    Labels of shape (N, 1), as MedMNIST has them, are (N,).
    """
    if data.suffix != ".npz":
        raise DataError("this task reads an .npz of uint8 images and labels: give --data FILE.npz")
    try:
        with np.load(data, allow_pickle=False) as archive:
            keys = set(archive.files)
    except FileNotFoundError:
        raise DataError(f"{data}: there is no such file") from None
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{data}: not an .npz of plain arrays: {error}") from None
    prefixes = {which: f"{which}_" for which in WHICH if f"{which}_images" in keys}
    if "images" in keys:
        prefixes.setdefault("test", "")
    if not prefixes:
        wanted = "'images' and 'labels', or 'train_images', 'train_labels', 'test_images', ..."
        raise DataError(f"{data}: expected {wanted}; found {', '.join(sorted(keys)) or 'nothing'}")
    for prefix in prefixes.values():
        if f"{prefix}labels" not in keys:
            raise DataError(f"{data}: there is {prefix}images but no {prefix}labels")
    return Opened(data, {which: partial(_members, data, prefix) for which, prefix in prefixes.items()})


def _members(data: Path, prefix: str) -> Part:
    try:
        with np.load(data, allow_pickle=False) as archive:
            images, labels = archive[f"{prefix}images"], archive[f"{prefix}labels"]
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.error) as error:
        raise DataError(f"{data}: {prefix}images or {prefix}labels is damaged: {error}") from None
    return Part(images, labels[:, 0] if labels.ndim == 2 and labels.shape[1] == 1 else labels)


@readers.register("digits")
def _digits(task: Task, data: Path) -> Opened:
    """scikit-learn's 1,797 digits, 8x8, grey levels 0..16; of each class 70 % train, 10 % val, 20 % test."""
    return Opened(None, {which: partial(_digit_part, which) for which in WHICH})


def _digit_part(which: str) -> Part:
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ImportError:
        raise MissingExtra("scikit-learn", "digits", "the task digits") from None
    bundle = datasets.load_digits()
    images, labels = np.rint(bundle.images * (255 / 16)).astype(np.uint8), bundle.target
    rng = np.random.Generator(np.random.PCG64(0))
    chosen: dict[str, list[Any]] = {each: [] for each in WHICH}
    for label in range(10):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = [round(0.7 * len(members)), round(0.8 * len(members))]
        for each, some in zip(WHICH, np.split(members, cuts)):
            chosen[each].append(some)
    index = np.sort(np.concatenate(chosen[which]))
    return Part(images[index], labels[index])


@readers.register("cifar10")
def _cifar10(task: Task, data: Path) -> Opened:
    """torchvision's CIFAR10: `cifar-10-batches-py/` in the folder, checked against its md5 sums."""
    root = _inside(task, data, "cifar-10-batches-py", "cifar-10-batches-py/ (the unpacked cifar-10-python.tar.gz)")
    return _torchvision("CIFAR10", root, root.parent)


@readers.register("cifar100")
def _cifar100(task: Task, data: Path) -> Opened:
    """torchvision's CIFAR100: `cifar-100-python/` in the folder, checked; its training images in a balanced order."""
    root = _inside(task, data, "cifar-100-python", "cifar-100-python/ (the unpacked cifar-100-python.tar.gz)")
    return _torchvision("CIFAR100", root, root.parent, balance=True)


@readers.register("fashion_mnist")
def _fashion_mnist(task: Task, data: Path) -> Opened:
    """torchvision's FashionMNIST: `FashionMNIST/raw/` in the folder, the idx files as they are or as `.gz`."""
    layout = "FashionMNIST/raw/ with the four idx files (or their .gz)"
    root = _inside(task, data, "FashionMNIST/raw", layout)
    from torchvision.datasets import FashionMNIST  # here, because importing it takes seconds
    from torchvision.datasets.utils import extract_archive

    for packed in (root / name for name, _ in FashionMNIST.resources):
        if not packed.with_suffix("").is_file():
            if not packed.is_file():
                raise missing(task, data, layout)
            try:
                extract_archive(str(packed), str(root))
            except (OSError, EOFError) as error:
                raise DataError(f"{packed}: cannot be unpacked: {error}") from None
    return _torchvision("FashionMNIST", root, root.parent.parent)


@readers.register("medmnist")
def _medmnist(task: Task, data: Path) -> Opened:
    """MedMNIST: the `.npz` of the task's name in the folder, as its publisher packs it, with all three splits."""
    file = data / f"{task.name}.npz"
    if not file.is_file():
        raise missing(task, data, f"{task.name}.npz, as MedMNIST packs it")
    return _npz(task, file)


def _inside(task: Task, data: Path, folder: str, layout: str) -> Path:
    """`folder` under `data`, or `data` itself if it is that folder."""
    for root in (data / folder, data.resolve()):
        if root.is_dir() and root.as_posix().endswith(f"/{folder}"):
            return root
    raise missing(task, data, layout)


def _torchvision(dataset: str, root: Path, above: Path, balance: bool = False) -> Opened:
    """`train` and `test` in `root` of a torchvision class with `.data` and `.targets`, which knows it from `above`."""

    def read(train: bool) -> Part:
        from torchvision import datasets  # here, because importing it takes seconds

        try:
            images = getattr(datasets, dataset)(root=str(above), train=train)
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            said = str(error).partition(" You can use download")[0].strip() or type(error).__name__
            raise DataError(f"{root}: damaged, `dfkd-ray data verify` says which file: {said}") from None
        pixels, labels = np.asarray(images.data), np.asarray(images.targets)
        order = balanced(labels) if balance and train else slice(None)
        return Part(pixels[order], labels[order])

    return Opened(root, {"train": partial(read, True), "test": partial(read, False)})


@readers.register("none")
def none(task: Task, data: Path) -> Opened:
    """Nothing: of a teacher without images of its own, where `--data` says an `.npz`."""
    raise DataError(
        f"{task.name} has no images of its own: give --data FILE.npz with uint8 images and labels, or another --task"
    )
