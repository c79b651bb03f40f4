"""Small trees in the layouts of Oxford's, Stanford's and Caltech's archives; grey levels tell which image is which."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat
from torchvision.datasets import FGVCAircraft, StanfordCars

from dfkd_ray import datasets
from dfkd_ray.datasets import Task
from dfkd_ray.util.errors import DataError
from tests.datasets.published import CARS, struct
from tests.datasets.trees import every, levels, truncate, write_classes, write_image, write_noise

pytestmark = pytest.mark.usefixtures("cache")


def labels_of(dataset: Any) -> dict[int, int]:
    """Grey levels and labels of one of torchvision's data sets."""
    return {2 * round(float(np.asarray(image).mean()) / 2): int(label) for image, label in dataset}


def test_aircraft_is_read_as_torchvision_reads_it(aircraft: Task, tmp_path: Path):
    got = every(aircraft, tmp_path)
    assert got["test"] == labels_of(FGVCAircraft(tmp_path, "test"))
    assert got["train"] | got["val"] == labels_of(FGVCAircraft(tmp_path, "trainval"))
    assert {which: len(part) for which, part in got.items()} == {"train": 10, "val": 2, "test": 6}


@pytest.mark.parametrize("place", ["fgvc-aircraft-2013b", "fgvc-aircraft-2013b/data"])
def test_aircraft_is_found_where_the_user_points(aircraft: Task, tmp_path: Path, place: str):
    assert every(aircraft, tmp_path / place) == every(aircraft, tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda text: text.replace("707-320", "707-321"),
            r"test.txt:1: '707-321' is no class of aircraft; did you mean",
        ),
        (lambda text: text[: text.index(" ")], r"test.txt:1: '' is no class of aircraft"),  # cut off
        (lambda text: "", r"images: there is no image of this split"),
        (
            lambda text: text.replace("1000003", "2000003"),
            r"1 of 6 files cannot be read:\n  .*2000003.jpg: No such file",
        ),
    ],
)
def test_a_list_of_aircraft_that_does_not_fit(
    aircraft: Task, tmp_path: Path, change: Callable[[str], str], message: str
):
    table = tmp_path / "fgvc-aircraft-2013b" / "data" / "images_variant_test.txt"
    table.write_text(change(table.read_text()))
    with pytest.raises(DataError, match=message):
        datasets.split(aircraft, "test", tmp_path)


def test_a_list_that_is_missing_is_a_split_that_is_missing(aircraft: Task, tmp_path: Path):
    (tmp_path / "fgvc-aircraft-2013b" / "data" / "images_variant_trainval.txt").unlink()
    with pytest.raises(
        DataError, match=r"fgvc-aircraft-2013b/data, train: there is no such split .*\(there is: test\)"
    ):
        datasets.split(aircraft, "train", tmp_path)


def test_cub200_joins_its_tables(cub: Task, tmp_path: Path):
    got = every(cub, tmp_path)
    assert got["test"] == {2 * i: i % 3 for i in range(1, 17) if i % 5 <= 1}
    assert got["train"] | got["val"] == {2 * i: i % 3 for i in range(1, 17) if i % 5 > 1}
    assert len(got["val"]) == 2
    assert every(cub, tmp_path / "CUB_200_2011") == got


@pytest.mark.parametrize(
    ("table", "change", "message"),
    [
        (
            "image_class_labels",
            lambda text: text.replace("\n3 1", "\n3 0"),
            r"labels.txt: there is no class 0: they are num",
        ),
        ("image_class_labels", lambda text: text[:20], r"labels.txt: no line for \d+ images: 00.*, \.\.\."),
        (
            "train_test_split",
            lambda text: text.replace("\n4 1\n", "\n"),
            r"train_test_split.txt: no line for 1 image: ",
        ),
        ("images", lambda text: text + "5 a.jpg\n", r"images.txt:17: the number 5 stands twice"),
        ("images", lambda text: text + "17\n", r"images.txt:17: expected a number and what has it, got '17'"),
        (
            "classes",
            lambda text: text.replace("Sooty", "Grey"),
            r"CUB_200_2011: '003.Grey_Albatross' is no class of cub200",
        ),
        ("classes", None, r"classes.txt: cannot be read"),
    ],
)
def test_tables_of_cub200_that_do_not_fit(
    cub: Task, tmp_path: Path, table: str, change: Callable[[str], str] | None, message: str
):
    path = tmp_path / "CUB_200_2011" / f"{table}.txt"
    if change is None:
        path.unlink()
    else:
        path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=message):
        datasets.split(cub, "train", tmp_path)


@pytest.mark.parametrize("place", ["", "stanford_cars", "cars196"])
def test_cars196_as_the_devkit_numbers_it(cars: Task, tmp_path: Path, place: str):
    if place:
        (tmp_path / place).mkdir()
        for folder in ("devkit", "cars_train", "cars_test"):
            (tmp_path / folder).rename(tmp_path / place / folder)
    got = every(cars, tmp_path)
    assert got["test"] == {100 + 2 * i: i % 3 for i in range(5)}
    assert got["train"] | got["val"] == {2 * i: i % 3 for i in range(8)}
    assert Counter(map(len, got.values())) == Counter([6, 2, 5])


def test_a_folder_within_a_folder_of_its_name(cars: Task, tmp_path: Path):
    before = every(cars, tmp_path)
    for name in ("cars_train", "cars_test"):
        (tmp_path / name).rename(tmp_path / "inner")
        (tmp_path / name).mkdir()
        (tmp_path / "inner").rename(tmp_path / name / name)
    assert every(cars, tmp_path) == before


def test_cars196_is_read_as_torchvision_reads_it(cars: Task, tmp_path: Path):
    root = tmp_path / "stanford_cars"
    root.mkdir()
    for folder in ("devkit", "cars_train", "cars_test"):
        (tmp_path / folder).rename(root / folder)
    labelled = "cars_test_annos_withlabels.mat"
    (root / "devkit" / labelled).rename(root / labelled)  # where torchvision wants it
    got = every(cars, tmp_path)
    assert got["test"] == labels_of(StanfordCars(tmp_path, "test"))
    assert got["train"] | got["val"] == labels_of(StanfordCars(tmp_path, "train"))


def test_classes_that_the_devkit_numbers_otherwise_keep_their_names(cars: Task, tmp_path: Path):
    turned = replace(cars, classes=CARS[::-1])
    assert every(turned, tmp_path)["test"] == {100 + 2 * i: 2 - i % 3 for i in range(5)}


@pytest.mark.parametrize("slash", ["-", "", " "])
def test_cars196_from_a_folder_for_each_class(cars: Task, tmp_path: Path, slash: str):
    folders = [name.replace("/", slash) for name in CARS]
    write_classes(tmp_path / "f" / "train", dict.fromkeys(folders, 3))
    write_classes(tmp_path / "f" / "test", dict.fromkeys(folders, 2), start=100)
    got = every(cars, tmp_path / "f")
    assert got["test"] == {100 + 2 * i: i // 2 for i in range(6)}
    assert got["train"] | got["val"] == {2 * i: i // 3 for i in range(9)}


def test_a_folder_of_cars196_that_is_no_class(cars: Task, tmp_path: Path):
    write_classes(tmp_path / "f" / "test", dict.fromkeys([*CARS[:1], "Ram CV Cargo Van Minivan 2013"], 1))
    with pytest.raises(DataError, match=r"f/test: 'Ram CV .* 2013' is no class of cars196; did you mean 'Ram C/V"):
        datasets.split(cars, "test", tmp_path / "f")


def test_two_folders_of_one_class(cars: Task, tmp_path: Path):
    write_classes(
        tmp_path / "f" / "test", dict.fromkeys(["Ram C-V Cargo Van Minivan 2012", "Ram CV Cargo Van Minivan 2012"], 1)
    )
    with pytest.raises(DataError, match=r"'Ram C-V .*' and 'Ram CV .*' are the same class of cars196"):
        datasets.split(cars, "test", tmp_path / "f")


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("cars_train_annos.mat", truncate, r"cars_train_annos.mat: cannot be read"),
        ("cars_train_annos.mat", Path.unlink, r"cars_train_annos.mat: there is no such file"),
        ("cars_meta.mat", Path.unlink, r"cars_meta.mat: there is no such file"),
        ("cars_meta.mat", lambda path: savemat(path, {"names": [1]}), r"cars_meta.mat: there is no class_names in it"),
        (
            "cars_meta.mat",
            lambda path: savemat(path, {"class_names": np.array([[*CARS[:2], "smart 2012"]], object)}),
            r"devkit: 'smart 2012' is no class of cars196",
        ),
        (
            "cars_train_annos.mat",
            lambda path: savemat(path, {"annotations": struct([{"class": 4, "fname": "00001.jpg"}])}),
            r"cars_train_annos.mat: there is no class 4: they are numbered from 1 to 3",
        ),
        (
            "cars_train_annos.mat",
            lambda path: savemat(path, {"annotations": struct([{"class": 0, "fname": "00001.jpg"}])}),
            r"cars_train_annos.mat: there is no class 0: they are numbered from 1 to 3",
        ),
        (
            "cars_train_annos.mat",  # that of the test images without labels is like this
            lambda path: savemat(path, {"annotations": struct([{"bbox_x1": 1, "fname": "00001.jpg"}])}),
            r"cars_train_annos.mat: annotations without class and fname",
        ),
    ],
)
def test_a_devkit_that_does_not_fit(
    cars: Task, tmp_path: Path, name: str, damage: Callable[[Path], object], message: str
):
    damage(tmp_path / "devkit" / name)
    with pytest.raises(DataError, match=message):
        datasets.split(cars, "train", tmp_path)


def test_where_the_labels_of_the_test_images_are_missing(cars: Task, tmp_path: Path):
    (tmp_path / "devkit" / "cars_test_annos_withlabels.mat").unlink()
    with pytest.raises(DataError, match=r"cars_test_annos_withlabels.mat: there is no such file"):
        datasets.split(cars, "test", tmp_path)
    assert len(datasets.split(cars, "train", tmp_path).labels) == 6


@pytest.mark.parametrize("name", ["aircraft", "cars196", "cub200"])
def test_where_there_is_nothing_it_is_said_what_to_do(name: str, tmp_path: Path):
    with pytest.raises(
        DataError, match=rf"{tmp_path}: there are no images of {name}\n  give --data DIR, a folder with "
    ):
        datasets.split(datasets.load(name), "test", tmp_path)


@pytest.mark.parametrize(
    ("name", "classes", "held", "augment"),
    [
        ("aircraft", 100, 667, "random_crop_flip"),
        ("cars196", 196, 814, "resized_crop_flip"),
        ("cub200", 200, 599, "resized_crop_flip"),
    ],
)
def test_the_tasks_are_those_of_dfkd_fgvc(name: str, classes: int, held: int, augment: str):
    task = datasets.load(name)
    assert (len(task.classes), task.image, round(224 / task.crop)) == (classes, (3, 224, 224), 256)
    assert (task.mean, task.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert (task.teacher.arch, task.student, task.hold_out.train) == ("resnet34", "resnet18", held)
    for pretrained in (False, True):
        assert task.recipe_from(pretrained).augment == augment
    assert task.recipe_from(True).lr == task.recipe.lr / 10


def test_a_grey_a_cmyk_and_a_one_pixel_image_are_images(cub: Task, tmp_path: Path):
    root = tmp_path / "CUB_200_2011" / "images"
    names = [line.split(" ", 1)[1] for line in (root.parent / "images.txt").read_text().splitlines()]
    write_noise(root / names[0], (9, 9), "L")
    write_noise(root / names[4], (9, 9), "CMYK")
    write_image(root / names[5], 200, (1, 1))
    part = datasets.split(cub, "test", tmp_path)
    assert part.images.shape == (7, 3, 8, 8)
    assert 200 in levels(part)
    assert (part.images.float().std((2, 3)).sum(1) == 0).sum() == 5
