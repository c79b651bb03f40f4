"""The readers: one function each, registered under the name that a task's YAML gives."""

from __future__ import annotations

import importlib
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dfkd_ray.errors import DataError, MissingExtra
from dfkd_ray.tasks import gliders
from dfkd_ray.tasks.readers import WHICH, Part, Parts, balanced, readers
from dfkd_ray.tasks.task import Task


@readers.register("gliders")
def _gliders(task: Task, data: Path, download: bool) -> Parts:
    return {which: lambda which=which: Part(*gliders.split(which)) for which in WHICH}  # type: ignore[misc]


@readers.register("npz")
def _npz(task: Task, data: Path, download: bool) -> Parts:
    """`images`, `labels` alone are a test split; `train_images`, `train_labels`, `val_...`, `test_...` are those."""
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
    return {which: partial(_members, data, prefix) for which, prefix in prefixes.items()}


def _members(data: Path, prefix: str) -> Part:
    try:
        with np.load(data, allow_pickle=False) as archive:
            return Part(archive[f"{prefix}images"], archive[f"{prefix}labels"])
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zipfile.error) as error:
        raise DataError(f"{data}: {prefix}images or {prefix}labels is damaged: {error}") from None


@readers.register("digits")
def _digits(task: Task, data: Path, download: bool) -> Parts:
    """scikit-learn's 1,797 digits, 8x8, grey levels 0..16; of each class 70 % train, 10 % val, 20 % test."""
    try:
        datasets = importlib.import_module("sklearn.datasets")
    except ImportError:
        raise MissingExtra("scikit-learn", "digits", "the task digits") from None
    bundle = datasets.load_digits()
    images, labels = np.rint(bundle.images * (255 / 16)).astype(np.uint8), bundle.target
    rng = np.random.Generator(np.random.PCG64(0))
    chosen: dict[str, list[Any]] = {which: [] for which in WHICH}
    for label in range(10):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = [round(0.7 * len(members)), round(0.8 * len(members))]
        for which, some in zip(WHICH, np.split(members, cuts)):
            chosen[which].append(some)
    index = {which: np.sort(np.concatenate(some)) for which, some in chosen.items()}
    return {which: lambda i=i: Part(images[i], labels[i]) for which, i in index.items()}  # type: ignore[misc]


@readers.register("cifar10")
def _cifar10(task: Task, data: Path, download: bool) -> Parts:
    """torchvision's CIFAR10: `cifar-10-batches-py/` in the folder, checked against its md5 sums."""
    from torchvision.datasets import CIFAR10

    return _torchvision(CIFAR10, "cifar-10-batches-py/ (the unpacked cifar-10-python.tar.gz)", data, download)


@readers.register("cifar100")
def _cifar100(task: Task, data: Path, download: bool) -> Parts:
    """torchvision's CIFAR100: `cifar-100-python/` in the folder, checked; its training images in a balanced order."""
    from torchvision.datasets import CIFAR100

    layout = "cifar-100-python/ (the unpacked cifar-100-python.tar.gz)"
    return _torchvision(CIFAR100, layout, data, download, balance=True)


@readers.register("fashion_mnist")
def _fashion_mnist(task: Task, data: Path, download: bool) -> Parts:
    """torchvision's FashionMNIST: `FashionMNIST/raw/` in the folder, the idx files as they are or as `.gz`."""
    from torchvision.datasets import FashionMNIST
    from torchvision.datasets.utils import extract_archive

    raw = data / FashionMNIST.__name__ / "raw"
    for name in (name for name, _ in FashionMNIST.resources):
        packed, unpacked = raw / name, raw / name.removesuffix(".gz")
        if packed.is_file() and not unpacked.is_file():
            try:
                extract_archive(str(packed), str(raw))
            except (OSError, EOFError) as error:
                raise DataError(f"{packed}: cannot be unpacked: {error}") from None
    return _torchvision(FashionMNIST, "FashionMNIST/raw/ with the four idx files (or their .gz)", data, download)


def _torchvision(dataset: Callable[..., Any], layout: str, data: Path, download: bool, balance: bool = False) -> Parts:
    """`train` and `test` of a torchvision class with `.data` and `.targets`; DataError says what to do if not there."""

    def read(train: bool) -> Part:
        try:
            images = dataset(root=str(data), train=train, download=download)
        except (OSError, RuntimeError, ValueError, EOFError) as error:
            raise DataError(
                f"{data}: missing or damaged: {str(error).strip() or type(error).__name__}\n"
                f"  give --data DIR, a folder with {layout},\n"
                f"  or --data FILE.npz with uint8 images and labels,\n"
                f"  or --download to fetch the official files into {data}"
            ) from None
        pixels, labels = np.asarray(images.data), np.asarray(images.targets)
        order = balanced(labels) if balance and train else slice(None)
        return Part(pixels[order], labels[order])

    return {"train": partial(read, True), "test": partial(read, False)}
