"""What is whole is what a reader of the task takes: no more, and no less."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dfkd_ray import datasets
from dfkd_ray.datasets import Task
from dfkd_ray.datasets.image_files import DamagedImages
from dfkd_ray.datasets.verify import verify
from dfkd_ray.util.errors import DataError
from tests.datasets import published
from tests.datasets.trees import truncate, write_classes, write_noise

pytestmark = pytest.mark.usefixtures("cache")


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_that_no_reader_takes_are_damaged(tmp_path: Path, mode: str) -> None:
    write_classes(tmp_path / "test", {"a": 2, "b": 2})
    Image.new(mode, (9, 9), 70_000).save(tmp_path / "test" / "a" / "deep.tif")
    task = datasets.load(f"folder:{tmp_path}@8")
    report = verify(task)
    assert report.damaged == {"test/a/deep.tif": "its pixels are neither bytes nor of 16 bits"}
    assert not report.complete
    with pytest.raises(DamagedImages, match=r"deep.tif: its pixels are neither bytes nor of 16 bits"):
        datasets.split(task, "test")


@pytest.mark.parametrize(
    ("images", "labels", "said"),
    [
        (np.zeros((3, 8, 8, 3), np.uint8), np.zeros((3, 14), np.uint8), "labels must be 3 integers, got uint8 (3, 14)"),
        (
            np.zeros((3, 8, 8, 3)),
            np.arange(3) % 2,
            "images must be uint8 of shape (N, H, W) or (N, H, W, C), got float64 (3, 8, 8, 3)",
        ),
        (np.zeros((3, 3, 8, 8), np.uint8), np.arange(3) % 2, "8 channels where small has 3"),
        (np.zeros((3, 8, 8, 3), np.uint8), np.arange(3), "labels 0..2 do not fit the 2 classes of small"),
    ],
)
def test_arrays_that_no_reader_takes_cannot_be_read(small: Task, tmp_path: Path, images: Any, labels: Any, said: str):
    path = tmp_path / "x.npz"
    np.savez(path, images=images, labels=labels)
    report = verify(small, path)
    assert (report.unreadable, report.counts, report.complete) == ([f"test: {path}: {said}"], {}, False)
    with pytest.raises(DataError) as error:
        datasets.split(small, "test", path)
    assert str(error.value).endswith(said)


def test_damaged_images_that_are_left_out(tmp_path: Path) -> None:
    """Two of the training images and one to test, and so many of a split as the task allows, or not."""
    for split in ("train", "test"):
        write_classes(tmp_path / split, {"a": 9, "b": 9})
    torn = [tmp_path / name for name in ("train/a/x.jpg", "train/b/x.jpg", "test/a/x.jpg")]
    for path in torn:
        truncate(write_noise(path, (40, 40)))
    whole = replace(datasets.load(f"folder:{tmp_path}@8"), hold_out=datasets.HoldOut(train=1))
    told = {most: verify(replace(whole, skip_damaged=most)) for most in (0, 1, 2)}
    assert [(len(each.damaged), len(each.left_out), each.complete) for each in told.values()] == [
        (3, 0, False),
        (2, 1, False),
        (0, 3, True),
    ]
    assert [*told[1].left_out] == ["test/a/x.jpg"]
    assert "truncated" in told[2].left_out["train/a/x.jpg"].lower()
    torn[0].unlink()
    torn[0].symlink_to("nowhere.jpg")  # what is gone is not damaged, and no reader goes on without it
    assert not verify(replace(whole, skip_damaged=2)).complete


def test_some_classes_of_a_published_set_alone(tmp_path: Path) -> None:
    """The lists know three birds, of which the task has two; of the third there is one image, and it is torn."""
    birds = published.cub(tmp_path)
    task = replace(birds, classes=birds.classes[:2], among=birds.classes, origin=None)
    third = tmp_path / "CUB_200_2011" / "images" / birds.classes[2]
    for path in sorted(third.iterdir())[1:]:
        path.unlink()
    truncate(write_noise(next(third.iterdir()), (40, 40)))
    report = verify(task, tmp_path)
    assert (report.missing, report.damaged, report.surplus, report.complete) == ([], {}, [], True)
    assert report.counts == {"train": 6, "test": 5}
    next((third.parent / birds.classes[0]).iterdir()).unlink()
    assert [path.split("/")[1] for path in verify(task, tmp_path).missing] == [birds.classes[0]]


def test_a_task_with_an_npz_of_its_own_is_held_against_no_publisher(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", images=np.zeros((3, 28, 28, 3), np.uint8), labels=np.arange(3))
    (tmp_path / "mine.yaml").write_text("of: pathmnist\ndata: mine.npz\n")
    report = verify(datasets.load(str(tmp_path / "mine.yaml")))
    assert (report.official, report.counts, report.complete) == ({}, {"test": 3}, True)
