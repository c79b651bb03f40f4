"""Small trees in the exact layouts that torchvision reads; their md5 sums are put into torchvision's own lists."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
import sys
import urllib.error
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import CIFAR10, CIFAR100, FashionMNIST

from dfkd_ray import tasks
from dfkd_ray.errors import DataError, MissingExtra
from dfkd_ray.tasks import HoldOut


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


def idx(array: np.ndarray) -> bytes:
    """The idx format: magic number 0x08 (unsigned byte) and the rank, the sizes big-endian, the bytes."""
    return struct.pack(f">I{array.ndim}I", 0x0800 + array.ndim, *array.shape) + array.tobytes()


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


def test_cifar10_as_torchvision_lays_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    images, labels = cifar_tree(tmp_path, monkeypatch)
    task = replace(tasks.load("cifar10"), hold_out=HoldOut(train=3, test=1))
    parts = {"train": slice(0, 17), "val": slice(17, 20), "test": slice(20, 24)}
    for which, where in parts.items():
        got = tasks.split(task, which, tmp_path)  # type: ignore[arg-type]
        np.testing.assert_array_equal(got.images.permute(0, 2, 3, 1), images[where])
        assert got.labels.tolist() == labels[where]


def test_a_damaged_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cifar_tree(tmp_path, monkeypatch)
    with (tmp_path / "cifar-10-batches-py" / "test_batch").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="missing or damaged"):
        tasks.split(tasks.load("cifar10"), "test", tmp_path)


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


def test_cifar100_as_torchvision_lays_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = cifar100_tree(tmp_path, monkeypatch)
    task = replace(tasks.load("cifar100"), hold_out=HoldOut(train=20, test=1))
    train, val, test = (tasks.split(task, which, tmp_path) for which in ("train", "val", "test"))
    np.testing.assert_array_equal(test.images.permute(0, 2, 3, 1), made["test"][0])  # as it stands in the file
    assert test.labels.tolist() == made["test"][1]
    share = np.bincount(made["train"][1]) / 3
    assert np.abs(val.labels.bincount(minlength=3).numpy() - share).max() <= 1  # a third of each class
    both = torch.cat([train.images, val.images]), torch.cat([train.labels, val.labels])
    found = {image.numpy().tobytes(): int(label) for image, label in zip(*both)}
    images, labels = made["train"]
    assert found == {image.transpose(2, 0, 1).tobytes(): label for image, label in zip(images, labels)}


@pytest.mark.parametrize("packed", [False, True])
def test_fashion_mnist_as_torchvision_lays_it_out(tmp_path: Path, packed: bool):
    arrays = fashion_tree(tmp_path, packed)
    task = replace(tasks.load("fashion_mnist"), hold_out=HoldOut(train=2, test=1))
    train, val, test = (tasks.split(task, which, tmp_path) for which in ("train", "val", "test"))
    assert train.images.shape == (7, 1, 32, 32)
    np.testing.assert_array_equal(train.images[:, 0, 2:30, 2:30], arrays["train-images-idx3-ubyte"][:7])
    assert (val.labels.tolist(), test.labels.tolist()) == ([7, 8], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(test.images[:, 0, 2:30, 2:30], arrays["t10k-images-idx3-ubyte"])
    assert test.images[:, :, :2].max() == 0


def test_a_damaged_gz_is_named(tmp_path: Path):
    fashion_tree(tmp_path, packed=True)
    (tmp_path / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte.gz: cannot be unpacked"):
        tasks.split(tasks.load("fashion_mnist"), "test", tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion_mnist"])
def test_nothing_is_downloaded_without_being_asked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a download nobody asked for")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(DataError) as caught:
        tasks.split(tasks.load(name), "test", tmp_path)
    for said in (str(tmp_path), "--data DIR", "--data FILE.npz", "--download"):
        assert said in str(caught.value)


@pytest.mark.parametrize("dataset", [CIFAR10, CIFAR100, FashionMNIST])
def test_a_download_that_was_asked_for_is_torchvisions(dataset: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked: list[Path] = []

    def offline(self: CIFAR10 | FashionMNIST) -> None:
        asked.append(Path(self.root))
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(dataset, "download", offline)
    name = {CIFAR10: "cifar10", CIFAR100: "cifar100", FashionMNIST: "fashion_mnist"}[dataset]
    with pytest.raises(DataError, match="no route to host"):
        tasks.split(tasks.load(name), "test", tmp_path, download=True)
    assert asked == [tmp_path]


def test_digits_are_stratified_disjoint_and_whole():
    datasets = pytest.importorskip("sklearn.datasets")
    task = tasks.load("digits")
    parts = {which: tasks.split(task, which) for which in ("train", "val", "test")}
    counts = {which: part.labels.bincount(minlength=10) for which, part in parts.items()}
    whole = np.bincount(datasets.load_digits().target)
    np.testing.assert_array_equal(sum(counts.values()), whole)
    for which, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        np.testing.assert_allclose(counts[which], share * whole, atol=1.01)
    assert parts["test"].images.shape[1:] == (1, 32, 32)
    assert (parts["test"].images.amax(), parts["test"].images.amin()) == (255, 0)
    again = tasks.split(task, "test")
    assert torch.equal(again.images, parts["test"].images)


def test_the_normalisation_of_digits_is_measured():
    pytest.importorskip("sklearn")
    task = tasks.load("digits")
    x = tasks.normalise(task, tasks.split(task, "train").images)
    assert abs(x.mean().item()) < 1e-3
    assert abs(x.std().item() - 1) < 1e-3


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=r"scikit-learn.*dfkd-ray\[digits\]"):
        tasks.split(tasks.load("digits"), "test")


def test_every_reader_says_what_it_reads():
    drawn, arrays = {"gliders"}, {"cifar10", "cifar100", "digits", "fashion_mnist", "npz"}
    trees = {"caltech101", "folders", "imagenet", "imagenette", "tiny_imagenet"}
    assert set(tasks.readers) == drawn | arrays | trees
    assert all(tasks.readers[name].__doc__ for name in arrays - {"npz"} | trees)
