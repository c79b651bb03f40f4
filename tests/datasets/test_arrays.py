"""Small trees in the exact layouts that torchvision reads; their md5 sums are put into torchvision's own lists."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dfkd_ray import datasets
from dfkd_ray.datasets import HoldOut
from dfkd_ray.datasets.domainnet import DOMAINS
from dfkd_ray.datasets.verify import verify
from dfkd_ray.util.errors import DataError, MissingExtra
from tests.datasets.published import cifar100_tree, cifar_tree, fashion_tree, medmnist_file


def test_cifar10_as_torchvision_lays_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    images, labels = cifar_tree(tmp_path, monkeypatch)
    task = replace(datasets.load("cifar10"), hold_out=HoldOut(train=3, test=1))
    parts = {"train": slice(0, 17), "val": slice(17, 20), "test": slice(20, 24)}
    for which, where in parts.items():
        got = datasets.split(task, which, tmp_path)  # type: ignore[arg-type]
        np.testing.assert_array_equal(got.images.permute(0, 2, 3, 1), images[where])
        assert got.labels.tolist() == labels[where]


def test_a_damaged_batch_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    cifar_tree(tmp_path, monkeypatch)
    with (tmp_path / "cifar-10-batches-py" / "test_batch").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DataError, match="cifar-10-batches-py: damaged"):
        datasets.split(datasets.load("cifar10"), "test", tmp_path)


def test_cifar100_as_torchvision_lays_it_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    made = cifar100_tree(tmp_path, monkeypatch)
    task = replace(datasets.load("cifar100"), hold_out=HoldOut(train=20, test=1))
    train, val, test = (datasets.split(task, which, tmp_path) for which in ("train", "val", "test"))
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
    task = replace(datasets.load("fashion_mnist"), hold_out=HoldOut(train=2, test=1))
    train, val, test = (datasets.split(task, which, tmp_path) for which in ("train", "val", "test"))
    assert train.images.shape == (7, 1, 32, 32)
    np.testing.assert_array_equal(train.images[:, 0, 2:30, 2:30], arrays["train-images-idx3-ubyte"][:7])
    assert (val.labels.tolist(), test.labels.tolist()) == ([7, 8], [0, 1, 2, 3, 4])
    np.testing.assert_array_equal(test.images[:, 0, 2:30, 2:30], arrays["t10k-images-idx3-ubyte"])
    assert test.images[:, :, :2].max() == 0


def test_a_damaged_gz_is_named(tmp_path: Path):
    fashion_tree(tmp_path, packed=True)
    (tmp_path / "FashionMNIST" / "raw" / "t10k-images-idx3-ubyte.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match=r"t10k-images-idx3-ubyte.gz: cannot be unpacked"):
        datasets.split(datasets.load("fashion_mnist"), "test", tmp_path)


@pytest.mark.parametrize("name", ["cifar10", "cifar100", "fashion_mnist"])
def test_nothing_is_downloaded_without_being_asked(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a download nobody asked for")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    with pytest.raises(DataError) as caught:
        datasets.split(datasets.load(name), "test", tmp_path)
    for said in (str(tmp_path), "--data DIR", "--data FILE.npz", f"dfkd-ray data fetch {name}"):
        assert said in str(caught.value)


def test_digits_are_stratified_disjoint_and_whole():
    digits = pytest.importorskip("sklearn.datasets")
    task = datasets.load("digits")
    parts = {which: datasets.split(task, which) for which in ("train", "val", "test")}
    counts = {which: part.labels.bincount(minlength=10) for which, part in parts.items()}
    whole = np.bincount(digits.load_digits().target)
    np.testing.assert_array_equal(sum(counts.values()), whole)
    for which, share in (("train", 0.7), ("val", 0.1), ("test", 0.2)):
        np.testing.assert_allclose(counts[which], share * whole, atol=1.01)
    assert parts["test"].images.shape[1:] == (1, 32, 32)
    assert (parts["test"].images.amax(), parts["test"].images.amin()) == (255, 0)
    again = datasets.split(task, "test")
    assert torch.equal(again.images, parts["test"].images)


def test_the_normalisation_of_digits_is_measured():
    pytest.importorskip("sklearn")
    task = datasets.load("digits")
    x = datasets.normalise(task, datasets.split(task, "train").images)
    assert abs(x.mean().item()) < 1e-3
    assert abs(x.std().item() - 1) < 1e-3


def test_medmnist_as_its_publisher_packs_it(tmp_path: Path):
    packed = medmnist_file(tmp_path / "bloodmnist.npz")
    task = datasets.load("bloodmnist")
    for which, count in (("train", 8), ("val", 3), ("test", 5)):
        part = datasets.split(task, which, tmp_path)
        assert part.images.shape == (count, 3, 32, 32)
        assert part.labels.tolist() == packed[f"{which}_labels"][:, 0].tolist()
    report = verify(task, tmp_path)
    assert report.counts == {"train": 8, "val": 3, "test": 5}
    assert report.miscounted == ["train", "val", "test"], "it is not as large as the publisher's"
    own = verify(task, tmp_path / "bloodmnist.npz")
    assert own.complete, "a file of one's own has the size that it has"
    with pytest.raises(DataError, match="there are no images of pathmnist"):
        datasets.split(datasets.load("pathmnist"), "test", tmp_path)


def test_digits_without_scikit_learn(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(MissingExtra, match=r"scikit-learn.*dfkd-ray\[digits\]"):
        datasets.split(datasets.load("digits"), "test")


def test_every_reader_says_what_it_reads():
    drawn, arrays = {"gliders", "none"}, {"cifar10", "cifar100", "digits", "fashion_mnist", "npz"}
    trees = {"aircraft", "caltech101", "cars196", "cub200", "folder", "folders", "imagenet", "imagenette"}
    arrays.add("medmnist")
    trees |= {"tiny_imagenet", *(f"domainnet_{domain}" for domain in DOMAINS)}
    assert set(datasets.readers) == drawn | arrays | trees
    assert all(datasets.readers[name].__doc__ for name in arrays - {"npz"} | trees)
