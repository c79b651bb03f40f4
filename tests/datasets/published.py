"""Small trees in the exact layouts of the publishers, and the tasks that read them.

An image of a tree has a grey level that tells which one it is. The md5 sums of the batches of CIFAR are put into
torchvision's own lists.
"""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct as binary
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import CIFAR10, CIFAR100

from dfkd_ray import datasets
from dfkd_ray.datasets import HoldOut, Task
from tests.datasets.trees import write_image

CARS = ("AM General Hummer SUV 2000", "Ram C/V Cargo Van Minivan 2012", "smart fortwo Convertible 2012")


def of(name: str, classes: tuple[str, ...]) -> Task:
    """A shipped task with a few classes, at 8 pixels, which sets two training images aside."""
    return replace(datasets.load(name), classes=classes, image=(3, 8, 8), hold_out=HoldOut(train=2))


def aircraft(folder: Path) -> Task:
    """`trainval` and `test` of three variants; the image with number 1000000 + i has the grey level 2 i."""
    root = folder / "fgvc-aircraft-2013b" / "data"
    variants = ["707-320", "F/A-18", "Yak-42"]
    lists: dict[str, list[str]] = {"trainval": [], "test": []}
    for i in range(18):
        write_image(root / "images" / f"{1000000 + i:07d}.jpg", 2 * i)
        lists["test" if i % 3 == 0 else "trainval"].append(f"{1000000 + i:07d} {variants[i % 4 % 3]}")
    (root / "variants.txt").write_text("\n".join(variants) + "\n")
    for which, lines in lists.items():
        (root / f"images_variant_{which}.txt").write_text("\n".join(lines) + "\n")
    (root / "images_box.txt").write_text("1000000 1 1 20 20\n")  # which nobody reads
    return of("aircraft", tuple(variants))


def cub(folder: Path) -> Task:
    """Sixteen images of three birds, numbered from 1 as their classes are; image i has the grey level 2 i."""
    root = folder / "CUB_200_2011"
    birds = ["001.Black_footed_Albatross", "002.Laysan_Albatross", "003.Sooty_Albatross"]
    tables: dict[str, list[str]] = {"images": [], "train_test_split": [], "image_class_labels": []}
    for i in range(1, 17):
        bird = i % 3
        name = f"{birds[bird]}/{birds[bird][4:]}_{i:04d}_{7 * i}.jpg"
        write_image(root / "images" / name, 2 * i)
        rows = {"images": name, "train_test_split": int(i % 5 > 1), "image_class_labels": bird + 1}
        for table, row in rows.items():
            tables[table].append(f"{i} {row}")
    tables["classes"] = [f"{number} {bird}" for number, bird in enumerate(birds, start=1)]
    for table, lines in tables.items():
        (root / f"{table}.txt").write_text("\n".join(lines) + "\n")
    return of("cub200", tuple(birds))


def struct(rows: list[dict[str, Any]]) -> np.ndarray:
    """A row of structs as MATLAB keeps them."""
    made = np.empty((1, len(rows)), [(key, object) for key in rows[0]])
    for number, row in enumerate(rows):
        made[0, number] = tuple(row.values())
    return made


def cars(folder: Path) -> Task:
    """Eight images to train and five to test, as the devkit numbers them."""
    devkit = folder / "devkit"
    devkit.mkdir(parents=True)
    names = np.empty((1, len(CARS)), object)
    names[0, :] = CARS
    savemat(devkit / "cars_meta.mat", {"class_names": names})
    tables: Mapping[str, tuple[str, int, int]] = {
        "train": ("cars_train_annos.mat", 8, 0), "test": ("cars_test_annos_withlabels.mat", 5, 100)
    }  # fmt: skip
    for which, (name, count, start) in tables.items():
        rows = []
        for i in range(count):
            write_image(folder / f"cars_{which}" / f"{i + 1:05d}.jpg", start + 2 * i)
            box = {f"bbox_{key}": np.uint16(1 + i) for key in ("x1", "y1", "x2", "y2")}
            rows.append({**box, "class": np.uint8(i % 3 + 1), "fname": f"{i + 1:05d}.jpg"})
        savemat(devkit / name, {"annotations": struct(rows)})
    return of("cars196", CARS)


def cifar_tree(root: Path, monkeypatch: pytest.MonkeyPatch, per_batch: int = 4) -> tuple[np.ndarray, list[int]]:
    """Five training batches and a test batch, pickled like the official ones; returns NHWC images and labels."""
    folder = root / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    rows = rng.integers(0, 256, (6 * per_batch, 3072), dtype=np.uint8)  # red plane, green plane, blue plane
    labels = [i % 10 for i in range(6 * per_batch)]
    sums = {}
    for i, name in enumerate([*(f"data_batch_{n}" for n in range(1, 6)), "test_batch"]):
        part = slice(i * per_batch, (i + 1) * per_batch)
        blob = pickle.dumps({"batch_label": name, "labels": labels[part], "data": rows[part]}, protocol=2)
        (folder / name).write_bytes(blob)
        sums[name] = hashlib.md5(blob).hexdigest()
    meta = pickle.dumps({"label_names": ["airplane"] * 10}, protocol=2)
    (folder / "batches.meta").write_bytes(meta)
    monkeypatch.setattr(CIFAR10, "train_list", [[n, s] for n, s in sums.items() if n != "test_batch"])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {**CIFAR10.meta, "md5": hashlib.md5(meta).hexdigest()})
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels


def cifar100_tree(root: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[np.ndarray, list[int]]]:
    """`train` and `test`, pickled like the official ones, with three fine classes; returns NHWC images and labels."""
    folder, rng = root / "cifar-100-python", np.random.default_rng(0)
    folder.mkdir(parents=True)
    sums, made = {}, {}
    for name, count in (("train", 60), ("test", 6)):
        rows, labels = rng.integers(0, 256, (count, 3072), dtype=np.uint8), rng.integers(0, 3, count).tolist()
        blob = pickle.dumps({"fine_labels": labels, "coarse_labels": [0] * count, "data": rows}, protocol=2)
        (folder / name).write_bytes(blob)
        sums[name] = hashlib.md5(blob).hexdigest()
        made[name] = rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1), labels
    meta = pickle.dumps({"fine_label_names": ["apple"] * 100}, protocol=2)
    (folder / "meta").write_bytes(meta)
    monkeypatch.setattr(CIFAR100, "train_list", [["train", sums["train"]]])
    monkeypatch.setattr(CIFAR100, "test_list", [["test", sums["test"]]])
    monkeypatch.setattr(CIFAR100, "meta", {**CIFAR100.meta, "md5": hashlib.md5(meta).hexdigest()})
    return made


def idx(array: np.ndarray) -> bytes:
    """The idx format: magic number 0x08 (unsigned byte) and the rank, the sizes big-endian, the bytes."""
    return binary.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


def fashion_tree(root: Path, packed: bool) -> dict[str, np.ndarray]:
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    rng = np.random.default_rng(1)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (9, 28, 28), dtype=np.uint8),
        "train-labels-idx1-ubyte": np.arange(9, dtype=np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (5, 28, 28), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": np.arange(5, dtype=np.uint8),
    }
    for name, array in arrays.items():
        if packed:
            (raw / f"{name}.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (raw / name).write_bytes(idx(array))
    return arrays


def medmnist_file(path: Path) -> dict[str, np.ndarray]:
    """A small bloodmnist.npz: uint8 images of 28 pixels, labels (N, 1), all three splits."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(2)
    arrays = {}
    for which, count in (("train", 8), ("val", 3), ("test", 5)):
        arrays[f"{which}_images"] = rng.integers(0, 256, (count, 28, 28, 3), dtype=np.uint8)
        arrays[f"{which}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 8
    np.savez(path, **arrays)
    return arrays
