"""Small trees in the layouts of ImageNet, fast.ai, Stanford and torchvision; each image in its own level of grey."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dfkd_ray import datasets, teachers
from dfkd_ray.datasets import HoldOut, Task
from dfkd_ray.datasets.image_files import Files
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import every, labelled, truncate, write_classes, write_image

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def folders(small: Task) -> Task:
    """The classes left and right, whose folders are n01 and n02; two training images of each are held out."""
    return replace(small, reader="folders", folders=("n01", "n02"), hold_out=HoldOut(train=4, test=2))


def test_three_folders_are_three_splits(folders: Task, tmp_path: Path):
    for number, which in enumerate(("train", "val", "test")):
        write_classes(tmp_path / which, {"n02": 2, "n01": 1}, start=60 * number)
    assert every(folders, tmp_path) == {
        "train": {0: 1, 2: 1, 4: 0},
        "val": {60: 1, 62: 1, 64: 0},
        "test": {120: 1, 122: 1, 124: 0},
    }


def test_without_a_test_folder_val_is_the_test_split_and_train_lends(folders: Task, tmp_path: Path):
    root = tmp_path / "small"  # the task's name
    write_classes(root / "train", {"n01": 6, "n02": 6})
    write_classes(root / "val", {"n01": 2, "n02": 1}, start=100)
    got = every(folders, tmp_path)
    assert got["test"] == {100: 0, 102: 0, 104: 1}
    assert Counter(got["val"].values()) == {0: 2, 1: 2}
    assert Counter(got["train"].values()) == {0: 4, 1: 4}
    assert got["train"] | got["val"] == {2 * i: i // 6 for i in range(12)}  # nothing lost, nothing in both
    assert got == every(folders, tmp_path)


def test_a_held_out_image_is_random_in_its_class(folders: Task, tmp_path: Path):
    write_classes(tmp_path / "train", {"n01": 20, "n02": 20})
    write_classes(tmp_path / "val", {"n01": 1, "n02": 1}, start=100)
    held = sorted(labelled(datasets.split(folders, "val", tmp_path)))
    assert held not in ([0, 2, 40, 42], [36, 38, 76, 78])  # neither the first nor the last of each


def test_of_the_images_that_are_not_asked_for_none_is_decoded(folders: Task, tmp_path: Path):
    paths = list(write_classes(tmp_path / "train", {"n01": 6, "n02": 6}))
    write_classes(tmp_path / "val", {"n01": 1, "n02": 1}, start=100)
    held = labelled(datasets.split(folders, "val", tmp_path))
    for level, path in zip(range(0, 24, 2), paths):
        if level not in held:
            truncate(path)
    assert labelled(datasets.split(folders, "val", tmp_path)) == held
    with pytest.raises(DataError, match="8 of 8 files cannot be read as images"):
        datasets.split(folders, "train", tmp_path)


def test_a_split_is_the_mapped_cache_itself_and_no_copy(folders: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    mapped: list[np.ndarray] = []
    whole = Files.read

    def read(self: Files, *args: Any) -> np.ndarray:
        mapped.append(whole(self, *args))
        return mapped[-1]

    monkeypatch.setattr(Files, "read", read)
    write_classes(tmp_path / "val", {"n01": 3, "n02": 3})
    images = datasets.split(folders, "test", tmp_path).images
    assert isinstance(mapped[0], np.memmap)
    assert (images.data_ptr(), images.is_contiguous()) == (mapped[0].ctypes.data, True)


def test_imagenet_with_its_test_images_alone_lends_those(folders: Task, tmp_path: Path):
    task = replace(folders, reader="imagenet")
    write_classes(tmp_path / "imagenet" / "val", {"n01": 5, "n02": 5})
    val, test = (labelled(datasets.split(task, which, tmp_path)) for which in ("val", "test"))
    assert (Counter(val.values()), Counter(test.values())) == ({0: 1, 1: 1}, {0: 4, 1: 4})
    assert val | test == {2 * i: i // 5 for i in range(10)}
    with pytest.raises(DataError, match=r"train: there is no such split .*\(there is: test\)"):
        datasets.split(task, "train", tmp_path)


def test_imagenets_own_test_folder_is_not_read(folders: Task, tmp_path: Path):
    task = replace(folders, reader="imagenet")
    write_classes(tmp_path / "train", {"n01": 3, "n02": 3})
    write_classes(tmp_path / "val", {"n01": 1, "n02": 1}, start=100)
    write_image(tmp_path / "test" / "ILSVRC2012_test_00000001.JPEG")
    assert labelled(datasets.split(task, "test", tmp_path)) == {100: 0, 102: 1}


def test_what_is_no_image_is_passed_over(folders: Task, tmp_path: Path):
    write_classes(tmp_path / "test", {"n01": 1, "n02": 1})
    (tmp_path / "train").mkdir()  # so that test images are not held out
    for stray in ("n01/Thumbs.db", "n01/._image_0001.jpg", ".DS_Store", "notes.txt", ".hidden/image.jpg"):
        (tmp_path / "test" / stray).parent.mkdir(exist_ok=True)
        (tmp_path / "test" / stray).write_text("no image")
    write_image(tmp_path / "test" / "n02" / "upper.JPEG", 50)
    assert labelled(datasets.split(folders, "test", tmp_path)) == {0: 0, 2: 1, 50: 1}


def test_folders_that_are_no_classes(folders: Task, tmp_path: Path):
    write_classes(tmp_path / "test", {"n01": 1, "n02": 1, "n011": 1, "zebra": 1})
    with pytest.raises(
        DataError, match=r"'n011' is no class of small; did you mean 'n01'\?, and 1 more like it"
    ) as said:
        datasets.split(folders, "test", tmp_path)
    assert "known" not in str(said.value)
    assert str(tmp_path / "test") in str(said.value)


def test_classes_that_are_missing_or_empty(folders: Task, tmp_path: Path):
    write_classes(tmp_path / "test", {"n01": 1})
    with pytest.raises(DataError, match=r"without 1 of the 2 classes of small: n02"):
        datasets.split(folders, "test", tmp_path)
    (tmp_path / "test" / "n02").mkdir()
    with pytest.raises(DataError, match=r"n02: there is no image"):
        datasets.split(folders, "test", tmp_path)


def test_a_thousand_missing_classes_are_not_all_listed(tmp_path: Path):
    write_classes(tmp_path / "val", {"n01440764": 1})
    with pytest.raises(DataError, match="without 999 of the 1000 classes of imagenet") as caught:
        datasets.split(datasets.load("imagenet"), "test", tmp_path)
    assert str(caught.value).endswith("n01443537, n01484850, n01491361, n01494475, n01496331, ...")


@pytest.mark.parametrize("reader", ["folders", "imagenet", "imagenette", "tiny_imagenet", "caltech101"])
def test_where_there_is_nothing_it_is_said_what_to_do(
    folders: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reader: str
):
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a download nobody asked for")

    monkeypatch.setattr("urllib.request.urlopen", refuse)
    ours = replace(folders, reader=reader)
    theirs = replace(ours, origin=datasets.load("imagenet").origin)
    for task, how in ((ours, "nothing can download it"), (theirs, "`dfkd-ray data fetch small` brings it")):
        with pytest.raises(DataError) as caught:
            datasets.split(task, "test", tmp_path)
        for said in (f"{tmp_path}: there are no images of small", "--data DIR", "--data FILE.npz", how):
            assert said in str(caught.value)


@pytest.mark.parametrize(
    ("side", "there", "read"),
    [
        (8, ["imagenette2-160", "imagenette2-320", "imagenette2"], "imagenette2-160"),
        (140, ["imagenette2-160", "imagenette2-320", "imagenette2"], "imagenette2-160"),  # 160 needed
        (141, ["imagenette2-160", "imagenette2-320", "imagenette2"], "imagenette2-320"),
        (300, ["imagenette2-160", "imagenette2-320", "imagenette2"], "imagenette2"),
        (300, ["imagenette2-160", "imagenette2-320"], "imagenette2-320"),
        (8, ["imagenette2", "imagenette2-320"], "imagenette2"),
    ],
)
def test_which_copy_of_imagenette_is_read(folders: Task, tmp_path: Path, side: int, there: list[str], read: str):
    task = replace(folders, reader="imagenette", image=(3, side, side), crop=0.875)
    for number, name in enumerate(there):
        write_classes(tmp_path / name / "val", {"n01": 1, "n02": 1}, start=40 * number)
        (tmp_path / name / "train").mkdir()
    start = 40 * there.index(read)
    assert labelled(datasets.split(task, "test", tmp_path)) == {start: 0, start + 2: 1}
    assert len(datasets.split(task, "test", tmp_path / read).labels) == 2  # or the copy itself is given


def caltech(small: Task) -> Task:
    return replace(small, reader="caltech101", classes=("Faces", "ant", "bass"), hold_out=HoldOut(train=6))


@pytest.mark.parametrize(
    "place", ["caltech101/101_ObjectCategories", "101_ObjectCategories", "caltech-101/101_ObjectCategories", "."]
)
def test_of_caltech101_a_fifth_of_each_class_is_for_testing(small: Task, tmp_path: Path, place: str):
    root = tmp_path / place
    write_classes(root, {"Faces": 14, "ant": 20, "bass": 5})
    write_classes(root, {"BACKGROUND_Google": 9}, start=200)
    (root / "BACKGROUND_Google" / "tmp").write_text("which is there")
    got = every(caltech(small), tmp_path)
    sizes = {which: Counter(part.values()) for which, part in got.items()}
    assert sizes["test"] == {0: 2, 1: 4, 2: 2}  # max(floor(n / 5), 2)
    assert sizes["train"] + sizes["val"] == {0: 12, 1: 16, 2: 3}
    assert sum(sizes["val"].values()) == 6
    assert all(abs(sizes["val"][label] - 6 * n / 31) <= 1 for label, n in enumerate((12, 16, 3)))
    whole = {2 * i: 0 if i < 14 else 1 if i < 34 else 2 for i in range(39)}
    assert got["train"] | got["val"] | got["test"] == whole
    assert sum(map(len, got.values())) == 39


def test_a_class_of_caltech101_with_two_images_cannot_be_split(small: Task, tmp_path: Path):
    write_classes(tmp_path / "101_ObjectCategories", {"Faces": 14, "ant": 2, "bass": 5})
    with pytest.raises(DataError, match="2 images of ant: too few"):
        datasets.split(caltech(small), "train", tmp_path)


@pytest.fixture
def tiny(folders: Task, tmp_path: Path) -> Task:
    """A tree as the zip unpacks it; its validation images stand in another order than their classes."""
    root = tmp_path / "tiny-imagenet-200"
    write_classes(root / "train", {"n01": 5, "n02": 5}, within="images")
    (root / "train" / "n01" / "n01_boxes.txt").write_text("n01_0.JPEG\t0\t0\t63\t63\n")
    for number in range(3):
        write_image(root / "val" / "images" / f"val_{number}.JPEG", 100 + 2 * number, (64, 64))
    lines = [f"val_{number}.JPEG\t{folder}\t0\t0\t62\t62\n" for number, folder in ((2, "n02"), (0, "n02"), (1, "n01"))]
    (root / "val" / "val_annotations.txt").write_text("".join(lines))
    write_image(root / "test" / "images" / "test_0.JPEG")
    return replace(folders, reader="tiny_imagenet")


def test_tiny_imagenet_reads_its_annotations(tiny: Task, tmp_path: Path):
    got = every(tiny, tmp_path)
    assert got["test"] == {100: 1, 102: 0, 104: 1}
    assert Counter(got["val"].values()) == {0: 2, 1: 2}
    assert got["train"] | got["val"] == {2 * i: i // 5 for i in range(10)}
    assert every(tiny, tmp_path / "tiny-imagenet-200") == got


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.replace("n01", "n03"), r"val_annotations.txt:3: 'n03' is no class of small; did you mean"),
        (lambda text: text.replace("\t", " "), r"val_annotations.txt:1: '' is no class of small$"),
        (lambda text: text.replace("val_0", "val_9"), r"val_annotations.txt:2: val_9.JPEG is not in "),
        (lambda text: text + text, r"val_annotations.txt:4: val_2.JPEG stands twice"),
        (lambda text: text.splitlines()[0], r"no line for 2 images: val_0.JPEG, val_1.JPEG"),
    ],
)
def test_annotations_that_do_not_fit(tiny: Task, tmp_path: Path, change: Any, message: str):
    table = tmp_path / "tiny-imagenet-200" / "val" / "val_annotations.txt"
    table.write_text(change(table.read_text()))
    with pytest.raises(DataError, match=message):
        datasets.split(tiny, "test", tmp_path)


def test_annotations_that_are_missing(tiny: Task, tmp_path: Path):
    (tmp_path / "tiny-imagenet-200" / "val" / "val_annotations.txt").unlink()
    with pytest.raises(DataError, match=r"val_annotations.txt: cannot be read"):
        datasets.split(tiny, "test", tmp_path)


def test_a_teacher_is_trained_on_folders(folders: Task, tmp_path: Path):
    for which, count in (("train", 12), ("val", 4)):
        for number in range(count):
            write_image(tmp_path / which / "n01" / f"{number}.png", 10 + number)
            write_image(tmp_path / which / "n02" / f"{number}.png", 230 + number)
    card = teachers.teach(folders, out=tmp_path / "t.safetensors", data=tmp_path)
    assert card["accuracy"]["test"] >= 0.5
    assert card["classes"] == 2


def test_an_npz_takes_the_place_of_folders(folders: Task, tmp_path: Path):
    np.savez(tmp_path / "a.npz", images=np.zeros((5, 8, 8, 3), np.uint8), labels=np.array([0, 1, 0, 1, 0]))
    assert len(datasets.split(folders, "test", tmp_path / "a.npz").labels) == 3
