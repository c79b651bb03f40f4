from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from dfkd_ray import datasets, teachers
from dfkd_ray.datasets import Task
from dfkd_ray.datasets.readers import NoSplit
from dfkd_ray.nets import build
from dfkd_ray.util.errors import DataError
from tests.datasets.trees import every, labelled, truncate, write_classes, write_image

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Three dogs, two cats and a newt in one folder."""
    write_classes(tmp_path / "pets", {"dog": 3, "cat": 2, "newt": 1})
    return tmp_path / "pets"


def folder(path: Path, side: int = 8) -> Task:
    return datasets.load(f"folder:{path}@{side}")


def measured(path: Path) -> Task:
    """All its images are there to measure."""
    return replace(folder(path), split="0/0/100")


def test_class_folders_alone_are_split_by_class(tmp_path: Path):
    write_classes(tmp_path, {"a": 20, "b": 10})
    got = every(task := folder(tmp_path))
    counts = {which: Counter(labels.values()) for which, labels in got.items()}
    assert counts == {"train": {0: 16, 1: 8}, "val": {0: 2, 1: 1}, "test": {0: 2, 1: 1}}
    assert got["train"] | got["val"] | got["test"] == {2 * i: i // 20 for i in range(30)}
    assert every(task) == got
    assert every(replace(task, split="80/10/10:1")) != got


def test_a_file_more_moves_no_other_but_at_the_borders(tmp_path: Path):
    write_classes(tmp_path, {"a": 20, "b": 20})
    before = every(folder(tmp_path))["test"]
    write_image(tmp_path / "a" / "more.jpg", 200)
    assert len(before.keys() & every(folder(tmp_path))["test"].keys()) >= len(before) - 1


def test_all_of_the_folders_may_be_the_test_split(pets: Path):
    task = measured(pets)
    assert (task.name, task.classes, task.image) == ("pets", ("cat", "dog", "newt"), (3, 8, 8))
    assert labelled(datasets.split(task, "test")) == {0: 1, 2: 1, 4: 1, 6: 0, 8: 0, 10: 2}
    for which in ("train", "val"):  # test images choose nothing
        with pytest.raises(
            NoSplit, match=rf"{pets}, {which}: there is no such split for the task pets \(there is: test\)"
        ):
            datasets.split(task, which)  # type: ignore[arg-type]


def test_train_val_and_test_are_splits(tmp_path: Path):
    write_classes(tmp_path / "train", {"a": 2, "b": 2})
    write_classes(tmp_path / "val", {"a": 1, "b": 1}, start=60)
    write_classes(tmp_path / "test", {"b": 2}, start=100)  # some class may lack
    assert every(folder(tmp_path)) == {
        "train": {0: 0, 2: 0, 4: 1, 6: 1},
        "val": {60: 0, 62: 1},
        "test": {100: 1, 102: 1},
    }


def test_without_val_a_tenth_of_the_training_images_by_class(tmp_path: Path):
    write_classes(tmp_path / "train", {"a": 20, "b": 20})
    write_classes(tmp_path / "test", {"a": 1, "b": 1}, start=200)
    got = every(folder(tmp_path))
    assert Counter(got["val"].values()) == {0: 2, 1: 2}
    assert got["train"] | got["val"] == {2 * i: i // 20 for i in range(40)}
    assert len(got["train"]) == 36


def test_without_test_val_is_the_test_split(tmp_path: Path):
    write_classes(tmp_path / "train", {"a": 10, "b": 10})
    write_classes(tmp_path / "val", {"a": 1, "b": 1}, start=200)
    got = every(folder(tmp_path))
    assert got["test"] == {200: 0, 202: 1}
    assert not got["val"].keys() & got["test"].keys()


def test_training_images_alone_test_nothing(tmp_path: Path):
    write_classes(tmp_path / "train", {"a": 10, "b": 10})
    with pytest.raises(NoSplit, match=r"\(there is: train\)"):
        datasets.split(folder(tmp_path), "test")


def test_a_class_may_be_called_train(tmp_path: Path):
    write_classes(tmp_path, {"bus": 1, "train": 1})
    assert labelled(datasets.split(measured(tmp_path), "test")) == {0: 0, 2: 1}


@pytest.mark.parametrize(("text", "image", "net"), [
    ("{}", (3, 224, 224), "resnet34"), ("{}@96", (3, 96, 96), "resnet34"), ("{}@32", (3, 32, 32), "cifar_resnet34")
])  # fmt: skip
def test_the_size_of_the_images(pets: Path, text: str, image: tuple[int, int, int], net: str):
    task = datasets.load("folder:" + text.format(pets))
    assert (task.image, task.teacher.arch, task.teacher.weights) == (image, net, None)
    assert task.crop == (0.875 if image[1] > 64 else 1.0)


def test_a_folder_whose_name_ends_like_a_size(tmp_path: Path):
    write_classes(tmp_path / "me@7", {"a": 1, "b": 1})
    assert datasets.load(f"folder:{tmp_path}/me@7").image == (3, 224, 224)
    assert datasets.load(f"folder:{tmp_path}/me@7@9").image == (3, 9, 9)


def test_a_folder_is_named_from_where_the_command_runs(pets: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(pets.parent)
    task = datasets.load("folder:pets@8")
    assert datasets.spoken(replace(task, split="60/20/20")) == "folder:pets@8 --split 60/20/20"
    monkeypatch.chdir("/")
    assert sum(map(len, every(task).values())) == 6


@pytest.mark.parametrize(
    ("made", "text", "message"),
    [
        (["pets/a/1.png"], "petz", r"folder:.*petz: there is no folder .*petz; did you mean 'pets'\?$"),
        (["pets/a/1.png"], "petz@96", r"folder:.*petz@96: there is no folder .*petz; did you mean 'pets'\?$"),
        (["pets/1.png"], "pets/1.png", "there is no folder"),
        (
            ["pets/a/1.png"],
            "pets",
            r"pets: there must be a folder for each class, and at least two of them; there is a",
        ),
        (["pets/1.png"], "pets", r"pets: there must be a folder for each class, .*; there is none"),
        (["pets/train/1.png", "pets/test/1.png"], "pets", r"a folder for each class, .*; there is test, train"),
        (
            ["pets/a/1.png", "pets/b/1.png"],
            "pets@x",
            r"behind @ stands the side of the images in pixels, as in .*pets@96",
        ),
        (["pets/a/1.png", "pets/b/1.png"], "pets@0", "behind @ stands the side"),
        (["pets/a/1.png", "pets/b/1.png"], "pets@-8", "behind @ stands the side"),
    ],
)
def test_a_folder_that_is_no_task(tmp_path: Path, made: list[str], text: str, message: str):
    for path in made:
        write_image(tmp_path / path)
    with pytest.raises(DataError, match=message):
        datasets.load(f"folder:{tmp_path}/{text}")


def test_images_that_are_no_images_and_classes_that_are_empty(pets: Path):
    truncate(write_image(pets / "dog" / "big.png", (1, 2, 3), (300, 300)))
    with pytest.raises(DataError, match=r"1 of 7 files cannot be read as images:\n  .*dog.big.png: "):
        datasets.split(measured(pets), "test")
    (pets / "dog" / "big.png").unlink()
    (pets / "eel").mkdir()
    assert folder(pets).classes == ("cat", "dog", "newt")
    assert len(datasets.split(measured(pets), "test").labels) == 6


def test_a_class_of_the_test_split_that_nobody_is_taught(tmp_path: Path):
    write_classes(tmp_path / "train", {"cat": 2, "dog": 2})
    write_classes(tmp_path / "test", {"cat": 1, "dogs": 1})
    with pytest.raises(DataError, match=r"test: 'dogs' is no class of .*; did you mean 'dog'\?"):
        datasets.split(folder(tmp_path), "test")


def teacher(path: Path, **card: Any) -> Path:
    torch.manual_seed(0)
    torch.save(build("resnet8", card.get("classes", 4)).state_dict(), path)
    path.with_suffix(".json").write_text(json.dumps({"arch": "resnet8", **card}))
    return path


NAMES = ["dog", "axolotl", "Cat", "newt"]


def test_the_folders_are_classes_of_the_teacher_by_name(pets: Path, tmp_path: Path):
    task = teachers.adopt(measured(pets), teacher(tmp_path / "t.pt", class_names=NAMES))
    assert task.classes == tuple(NAMES)
    assert labelled(datasets.split(task, "test")) == {0: 0, 2: 0, 4: 0, 6: 2, 8: 2, 10: 3}
    assert teachers.teacher(task)(torch.zeros(1, 3, 8, 8)).shape == (1, 4)


def test_a_folder_that_the_teacher_does_not_know(pets: Path, tmp_path: Path):
    path = teacher(tmp_path / "t.pt", class_names=["dog", "cat", "newts", "eel"])
    with pytest.raises(DataError, match=r"pets: 'newt' is no class of the teacher t.pt; did you mean 'newts'\?$"):
        teachers.adopt(datasets.load(f"folder:{pets}"), path)


def test_a_card_with_a_name_twice(pets: Path, tmp_path: Path):
    with pytest.raises(DataError, match=r"the card of .*t\.pt: two of its classes have the same name"):
        teachers.adopt(folder(pets), teacher(tmp_path / "t.pt", class_names=["dog", "cat", "newt", "dog"]))


def test_without_names_the_number_of_classes_decides(pets: Path, tmp_path: Path):
    assert teachers.adopt(folder(pets), teacher(tmp_path / "t.pt", classes=3)).classes == ("cat", "dog", "newt")
    with pytest.raises(DataError, match=r"4 classes .* 3 of pets"):
        teachers.adopt(folder(pets), teacher(tmp_path / "t.pt", classes=4))


@pytest.mark.parametrize(("channels", "size"), [(3, 32), (1, 32), (3, 128)])
def test_the_card_says_the_size_where_nobody_else_does(pets: Path, tmp_path: Path, channels: int, size: int):
    path = teacher(tmp_path / "t.pt", class_names=NAMES, image=[channels, size, size])
    task = replace(teachers.adopt(datasets.load(f"folder:{pets}"), path), split="0/0/100")
    assert task.image == (channels, size, size)
    assert task.student == ("resnet18" if size > 64 else "cifar_resnet18")
    assert datasets.split(task, "test").images.shape == (6, channels, size, size)
    assert datasets.normalise(task, datasets.split(task, "test").images).isfinite().all()
    with pytest.raises(DataError, match=r"images of .*, but those of pets are .3, 16, 16."):
        teachers.adopt(folder(pets, 16), path)


def test_a_task_of_ones_own_may_say_where_its_images_are(pets: Path, tmp_path: Path):
    (tmp_path / "mine.yaml").write_text(
        "{name: mine, reader: folder, classes: [cat, dog, newt], image: [3, 8, 8], mean: [0, 0, 0], std: [1, 1, 1],\n"
        " teacher: {arch: resnet8}, student: resnet8, data: pets, hold_out: {test: 0}}\n"
    )
    task = datasets.load(str(tmp_path / "mine.yaml"))
    assert len(datasets.split(task, "test").labels) == 6
    write_classes(tmp_path / "others", {"cat": 1})
    assert len(datasets.split(task, "test", tmp_path / "others").labels) == 1
    with pytest.raises(
        DataError, match=r"nowhere: there are no images of mine\n  give --data DIR, a folder with a fol"
    ):
        datasets.split(task, "test", tmp_path / "nowhere")
