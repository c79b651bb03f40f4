from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets import layout, unused
from dfkd_ray.datasets.identity import definition, of_split, of_task
from dfkd_ray.datasets.readers import NoSplit
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import every, write_classes, write_image

pytestmark = pytest.mark.usefixtures("cache")


@pytest.mark.parametrize("train", ["train", "Training", "TRAIN"])
@pytest.mark.parametrize("val", ["val", "valid", "Validation", "dev"])
@pytest.mark.parametrize("test", ["test", "Testing", "eval"])
def test_splits_by_any_of_their_names(tmp_path: Path, train: str, val: str, test: str) -> None:
    for place in (train, val, test):
        write_image(tmp_path / place / "cat" / "1.png")
    assert layout.of(tmp_path).folders == {"train": train, "val": val, "test": test}


def test_two_folders_of_one_split(tmp_path: Path) -> None:
    for place in ("train", "val", "Valid"):
        write_image(tmp_path / place / "cat" / "1.png")
    with pytest.raises(DataError, match=r": Valid/ and val/ are both the split val: name one otherwise$"):
        layout.of(tmp_path)


def test_what_an_archiver_left_is_no_class_and_no_split(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_classes(tmp_path / split, {"a": 2, "b": 2})
        write_image(tmp_path / split / "__MACOSX" / "._1.jpg")
        write_image(tmp_path / split / "a" / "._1.jpg")
        (tmp_path / split / "b" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0" + bytes(512))
    write_image(tmp_path / "__MACOSX" / "train" / "a" / "._1.jpg")
    task = datasets.load(f"folder:{tmp_path}@8")
    assert (task.classes, task.split) == (("a", "b"), None)
    assert len(datasets.split(task, "test").labels) == 4


def test_images_of_all_endings_in_folders_within_are_of_the_class(tmp_path: Path) -> None:
    write_classes(tmp_path / "test", {"a": 2, "b": 2})
    write_image(tmp_path / "a.png", 100).rename(tmp_path / "test" / "a" / "photo.dat")
    write_image(tmp_path / "a.png", 120).rename(tmp_path / "test" / "b" / "photo")
    write_image(tmp_path / "test" / "b" / "old" / "1.png", 140)
    part = datasets.split(datasets.load(f"folder:{tmp_path}@8"), "test")
    assert Counter(part.labels.tolist()) == {0: 3, 1: 4}


def test_images_that_all_lie_deeper_than_the_classes(tmp_path: Path) -> None:
    for name in ("color/apple/1.png", "color/pear/1.png", "grey/apple/1.png"):
        write_image(tmp_path / name)
    said = (
        rf"^{tmp_path}: no image lies in its folders \(color, grey\), all lie deeper \(color/apple, color/pear\), so "
        rf"nobody can tell which are the classes: name the folder that holds their folders, as in "
        rf"folder:{tmp_path}/color, or move the images of each class up into its folder$"
    )
    with pytest.raises(DataError, match=said):
        datasets.load(f"folder:{tmp_path}")
    assert datasets.load(f"folder:{tmp_path}/color").classes == ("apple", "pear")


def test_several_tables(tmp_path: Path) -> None:
    write_image(tmp_path / "images" / "1.png")
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("file,label\n1,cat\n")
    with pytest.raises(DataError, match=r"several tables \(a.csv, b.csv\): name the one, as in folder:.*/a.csv$"):
        datasets.load(f"folder:{tmp_path}")


def test_what_has_splits_takes_no_other(tmp_path: Path) -> None:
    for split in ("train", "test"):
        write_classes(tmp_path / split, {"a": 2, "b": 2})
    task = replace(datasets.load(f"folder:{tmp_path}@8"), split="80/10/10")
    with pytest.raises(DataError, match=r"it has splits of its own \(test, train\), and takes no split 80/10/10$"):
        datasets.split(task, "train")


def test_too_few_images_to_be_split(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 1, "b": 2})
    task = datasets.load(f"folder:{tmp_path}@8")
    assert [len(datasets.split(task, which).labels) for which in ("train", "test")] == [2, 1]
    with pytest.raises(NoSplit, match=r": 3 images: too few to be split 80/10/10: none is left for val$"):
        datasets.split(task, "val")


def test_training_images_alone_may_be_split(tmp_path: Path) -> None:
    write_classes(tmp_path / "train", {"a": 10, "b": 10})
    got = every(replace(datasets.load(f"folder:{tmp_path}@8"), split="60/20/20"))
    assert {which: len(labels) for which, labels in got.items()} == {"train": 12, "val": 4, "test": 4}


def test_a_split_is_part_of_what_a_task_and_its_images_are(tmp_path: Path) -> None:
    write_classes(tmp_path, {"a": 20, "b": 20})
    task = datasets.load(f"folder:{tmp_path}@8")
    other = replace(task, split="80/10/10:1")
    assert of_task(task) != of_task(other)
    for which in ("train", "val", "test"):
        assert of_split(task, which) != of_split(other, which)  # type: ignore[arg-type]
        assert of_split(task, which) == of_split(datasets.load(f"folder:{tmp_path}@8"), which)  # type: ignore[arg-type]


def test_a_task_that_takes_nothing_of_this_is_what_it_was() -> None:
    """As it was before there were splits to draw and classes to choose: studies go on, teachers are found."""
    assert {"among", "split", "skip_damaged"}.isdisjoint(definition(datasets.load("gliders")))
    assert of_task(datasets.load("gliders")) == "17881c74f12871b5"
    assert of_task(datasets.load("cifar10")) == "f29bba5816e6ef03"


@pytest.mark.parametrize("name", ["test", "Test", "testing"])
def test_unlabelled_test_images_beside_class_folders_are_no_class(tmp_path: Path, name: str) -> None:
    write_classes(tmp_path, {"cat": 10, "dog": 10, name: 3})
    task = datasets.load(f"folder:{tmp_path}@8")
    assert task.classes == ("cat", "dog")
    assert sum(map(len, every(task).values())) == 20
    assert str(unused.of_task(task)) == "3 images in no split"
    named = replace(task, classes=("cat", "dog", name))  # as who knows it as a class has it
    assert sum(len(datasets.split(named, which).labels) for which in ("train", "val", "test")) == 23  # type: ignore[arg-type]


def test_a_class_and_unlabelled_images_are_too_few(tmp_path: Path) -> None:
    write_classes(tmp_path, {"cat": 2, "test": 2})
    with pytest.raises(DataError, match=r"a folder for each class, and at least two of them; there is cat \("):
        datasets.load(f"folder:{tmp_path}")
