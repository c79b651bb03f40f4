"""What is there against what was published, on small trees in the publishers' layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets import Task
from dfkd_ray.datasets.origin import ImageCounts
from dfkd_ray.datasets.verify import DataReport, verify
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.progress import displayed
from tests.datasets import published
from tests.datasets.trees import truncate, write_classes, write_image, write_noise

pytestmark = pytest.mark.usefixtures("cache")


def stating(task: Task, **counts: int) -> Task:
    """The task with other official counts."""
    assert task.origin is not None
    return replace(task, origin=replace(task.origin, counts=ImageCounts(**counts)))


def found(report: DataReport) -> tuple[list[str], list[str], list[str]]:
    return report.missing, [*report.damaged], report.surplus


def test_aircraft(aircraft: Task, tmp_path: Path):
    task = stating(aircraft, train=12, test=6)
    report = verify(task, tmp_path)
    assert (report.complete, report.counts, found(report)) == (True, {"train": 12, "test": 6}, ([], [], []))
    images = tmp_path / "fgvc-aircraft-2013b" / "data" / "images"
    assert report.root == images.parent
    (images / "1000000.jpg").unlink()  # of the test split
    truncate(write_noise(images / "1000001.jpg", (64, 48)))
    (images / "1000002.jpg").write_bytes(b"")
    write_image(images / "2000000.jpg")
    (images / "notes.txt").write_text("no image")
    report = verify(task, tmp_path)
    assert found(report) == (
        ["images/1000000.jpg"],
        ["images/1000001.jpg", "images/1000002.jpg"],
        ["images/2000000.jpg"],
    )
    assert "truncated" in report.damaged["images/1000001.jpg"]
    assert report.damaged["images/1000002.jpg"] == "no image"
    assert (report.counts, report.miscounted, report.complete) == ({"train": 12, "test": 5}, ["test"], False)


def test_a_list_that_cannot_be_read_stops_its_split_alone(aircraft: Task, tmp_path: Path):
    task = stating(aircraft, train=12, test=6)
    table = tmp_path / "fgvc-aircraft-2013b" / "data" / "images_variant_test.txt"
    table.write_text("1000000 Concorde\n")
    report = verify(task, tmp_path)
    assert report.counts == {"train": 12}
    assert (report.unreadable[0].split(": ")[0], len(report.unreadable)) == ("test", 1)
    assert "images_variant_test.txt:1: 'Concorde' is no class" in report.unreadable[0]
    assert (report.miscounted, report.complete) == (["test"], False)


def test_cub200(cub: Task, tmp_path: Path):
    task = stating(cub, train=9, test=7)
    assert verify(task, tmp_path).complete
    folder = tmp_path / "CUB_200_2011" / "images" / "003.Sooty_Albatross"
    first = min(folder.iterdir())
    first.rename(folder / "other.jpg")
    path = f"images/003.Sooty_Albatross/{first.name}"
    assert found(verify(task, tmp_path)) == ([path], [], ["images/003.Sooty_Albatross/other.jpg"])


def test_cars196(cars: Task, tmp_path: Path):
    task = stating(cars, train=8, test=5)
    assert verify(task, tmp_path).complete
    (tmp_path / "cars_test" / "00005.jpg").rename(tmp_path / "cars_train" / "00009.jpg")
    assert found(verify(task, tmp_path)) == (["cars_test/00005.jpg"], [], ["cars_train/00009.jpg"])
    (tmp_path / "devkit" / "cars_test_annos_withlabels.mat").unlink()
    report = verify(task, tmp_path)
    assert report.counts == {"train": 8}
    assert "cars_test_annos_withlabels.mat: there is no such file" in report.unreadable[0]


@pytest.fixture
def by_class(small: Task, tmp_path: Path) -> Task:
    """Imagenette in small: three and two images of each of two classes."""
    for which, count in (("train", 3), ("val", 2)):
        write_classes(tmp_path / "imagenette2" / which, {"n01": count, "n02": count})
    task = replace(small, reader="imagenette", folders=("n01", "n02"), origin=datasets.load("imagenette").origin)
    return stating(task, train=6, test=4)


def test_folders_of_classes(by_class: Task, tmp_path: Path):
    report = verify(by_class, tmp_path)
    assert (report.complete, report.counts) == (True, {"train": 6, "test": 4})
    train = tmp_path / "imagenette2" / "train"
    (train / "n01" / "image_0002.jpg").unlink()
    write_image(train / "n03" / "a.jpg")
    write_image(train / "stray.png")
    write_image(train / "n02" / "deeper" / "a.jpg")
    write_image(train / "n02" / ".hidden.jpg")
    (train / "n02" / "Thumbs.db").touch()
    report = verify(by_class, tmp_path)
    assert found(report) == ([], [], ["train/n02/deeper/a.jpg", "train/n03/a.jpg", "train/stray.png"])
    assert (report.counts, report.miscounted) == ({"train": 5, "test": 4}, ["train"])  # nobody says which was there


def test_a_class_without_a_folder(by_class: Task, tmp_path: Path):
    val = tmp_path / "imagenette2" / "val"
    (val / "n02").rename(tmp_path / "elsewhere")
    report = verify(by_class, tmp_path)
    assert (report.missing, report.counts, report.miscounted) == (["val/n02/"], {"train": 6, "test": 2}, ["test"])
    (val / "n02").mkdir()
    report = verify(by_class, tmp_path)
    assert (report.missing, report.counts) == ([], {"train": 6, "test": 2})


def test_a_split_that_is_not_there(by_class: Task, tmp_path: Path):
    (tmp_path / "imagenette2" / "train").rename(tmp_path / "elsewhere")
    report = verify(by_class, tmp_path)
    assert (report.counts, report.miscounted, report.complete) == ({"test": 4}, ["train"], False)


def test_images_of_any_kind_are_whole(by_class: Task, tmp_path: Path):
    train = tmp_path / "imagenette2" / "train" / "n01"
    write_image(train / "image_0001.jpg", mode="CMYK")
    write_image(train / "image_0002.jpg", mode="L", size=(1, 1))
    (train / "image_0003.jpg").unlink()
    write_image(train / "image_0003.png", 3, mode="P")
    assert verify(by_class, tmp_path).complete


def test_tiny_imagenet(small: Task, tmp_path: Path):
    root = tmp_path / "tiny-imagenet-200"
    write_classes(root / "train", {"n01": 2, "n02": 2}, within="images")
    (root / "train" / "n01" / "n01_boxes.txt").write_text("a.jpg\t0\t0\t63\t63\n")
    write_classes(root / "val", {"": 3}, within="images")
    lines = [f"image_{number:04d}.jpg\tn0{1 + number % 2}\t0\t0\t62\t62\n" for number in (1, 2, 3)]
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    write_image(root / "test" / "images" / "test_0.JPEG")
    origin = datasets.load("tiny_imagenet").origin
    task = stating(replace(small, reader="tiny_imagenet", folders=("n01", "n02"), origin=origin), train=4, test=3)
    report = verify(task, tmp_path)
    assert (report.complete, report.counts) == (True, {"train": 4, "test": 3})
    (root / "val" / "images" / "image_0002.jpg").rename(root / "val" / "images" / "image_0004.jpg")
    assert found(verify(task, tmp_path)) == (["val/images/image_0002.jpg"], [], ["val/images/image_0004.jpg"])
    (root / "val" / "val_annotations.txt").unlink()
    report = verify(task, tmp_path)
    assert (report.counts, len(report.unreadable)) == ({"train": 4}, 1)


def test_caltech101_is_counted_as_a_whole(small: Task, tmp_path: Path):
    root = tmp_path / "caltech101" / "101_ObjectCategories"
    write_classes(root, {"BACKGROUND_Google": 3, "Faces": 2, "ant": 1})
    task = replace(small, reader="caltech101", classes=("Faces", "ant"), origin=datasets.load("caltech101").origin)
    report = verify(stating(task, whole=3), tmp_path)
    assert (report.complete, report.counts) == (True, {"whole": 3})
    assert verify(stating(task, whole=4), tmp_path).miscounted == ["whole"]


def test_cifar10_by_torchvisions_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    published.cifar_tree(tmp_path, monkeypatch)
    task, root = stating(datasets.load("cifar10"), train=20, test=4), tmp_path / "cifar-10-batches-py"
    (root / "readme.html").touch()
    report = verify(task, tmp_path)
    assert (report.complete, report.counts) == (True, {"train": 20, "test": 4})
    (root / "data_batch_2").unlink()
    (root / "test_batch").write_bytes((root / "test_batch").read_bytes()[:-1])
    (root / "data_batch_6").touch()
    report = verify(task, tmp_path)
    assert found(report) == (["data_batch_2"], ["test_batch"], ["data_batch_6"])
    assert "stated by torchvision" in report.damaged["test_batch"]
    assert report.miscounted == ["train", "test"]


def test_cifar100_by_torchvisions_checksums(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    published.cifar100_tree(tmp_path, monkeypatch)
    task, root = stating(datasets.load("cifar100"), train=60, test=6), tmp_path / "cifar-100-python"
    assert verify(task, tmp_path).complete
    (root / "meta").unlink()
    assert found(verify(task, tmp_path)) == (["meta"], [], [])


def test_fashion_mnist_by_the_length_of_its_files(tmp_path: Path):
    published.fashion_tree(tmp_path, packed=False)
    task, raw = stating(datasets.load("fashion_mnist"), train=9, test=5), tmp_path / "FashionMNIST" / "raw"
    assert verify(task, tmp_path).complete
    for name, size in (("t10k-images-idx3-ubyte", 100), ("t10k-labels-idx1-ubyte", 2)):
        (raw / name).write_bytes((raw / name).read_bytes()[:size])
    report = verify(task, tmp_path)
    assert report.damaged["t10k-images-idx3-ubyte"] == f"has 100 bytes and should have {16 + 5 * 28 * 28:,}"
    assert "t10k-labels-idx1-ubyte" in report.damaged
    assert (report.counts, report.miscounted) == ({"train": 9}, ["test"])


def test_a_folder_of_ones_own(tmp_path: Path):
    write_classes(tmp_path / "mine" / "test", {"ant": 2, "bee": 1})
    task = datasets.load(f"folder:{tmp_path / 'mine'}")
    report = verify(task)
    assert (report.complete, report.counts, report.official) == (True, {"test": 3}, {})
    truncate(write_noise(tmp_path / "mine" / "test" / "bee" / "image_0001.jpg", (40, 40)))
    assert found(verify(task)) == ([], ["test/bee/image_0001.jpg"], [])


def test_an_npz_is_read(tmp_path: Path):
    path = tmp_path / "a.npz"
    np.savez(path, images=np.zeros((3, 32, 32, 3), np.uint8), labels=np.arange(3))
    report = verify(datasets.load("cifar10"), path)
    assert (report.complete, report.counts, report.root) == (True, {"test": 3}, path)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"a\.npz"):
        verify(datasets.load("cifar10"), path)


def test_what_needs_no_files_is_whole(tmp_path: Path):
    report = verify(datasets.load("gliders"), tmp_path)
    assert (report.root, report.counts, report.complete) == (None, {}, True)


def test_where_there_is_nothing(tmp_path: Path):
    with pytest.raises(DataError, match="there are no images of aircraft"):
        verify(datasets.load("aircraft"), tmp_path)


def test_progress_is_told(by_class: Task, tmp_path: Path):
    told: list[tuple[str, int | None, str, int]] = []

    @contextmanager
    def show(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        yield lambda done: told.append((title, total, unit, done))

    with displayed(show):
        verify(by_class, tmp_path)
    assert told == [("small, train", 6, "images", 6), ("small, test", 4, "images", 4)]
