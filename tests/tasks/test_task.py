from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from torchvision.datasets import Imagenette
from torchvision.models import ResNet50_Weights

from dfkd_ray import tasks, yamls
from dfkd_ray.errors import ConfigError, UnknownName
from dfkd_ray.nets import classifiers
from dfkd_ray.tasks import Task

MINE = """\
name: mine
reader: npz
classes: [a, b]
image: [1, 8, 8]
mean: [0.5]
std: [0.5]
teacher: {arch: resnet8, weights: mine.safetensors}
student: resnet8
"""


def test_names_are_the_shipped_files():
    arrays, trees = ["cifar10", "cifar100", "digits", "fashion_mnist"], ["imagenet", "imagenette", "tiny_imagenet"]
    assert tasks.names() == ["caltech101", *arrays, "gliders", *trees]


@pytest.mark.parametrize("name", tasks.names())
def test_every_shipped_task_is_whole(name: str):
    task = tasks.load(name)
    assert task.name == name
    assert task.reader in tasks.readers
    assert task.teacher.arch in classifiers
    assert task.student in classifiers
    assert (task.teacher.weights is None) == (task.teacher.test_accuracy is None)
    if task.teacher.weights:
        assert (tasks.HERE / task.teacher.weights).stat().st_size < 1_000_000


@pytest.mark.parametrize(
    ("name", "classes", "image", "pair"),
    [
        ("cifar100", 100, (3, 32, 32), ("cifar_resnet34", "cifar_resnet18")),
        ("caltech101", 101, (3, 128, 128), ("resnet34", "resnet18")),
        ("imagenette", 10, (3, 128, 128), ("resnet34", "resnet18")),
        ("tiny_imagenet", 200, (3, 64, 64), ("cifar_resnet34", "cifar_resnet18")),
        ("imagenet", 1000, (3, 224, 224), ("resnet50", "resnet18")),
    ],
)
def test_the_pairs_of_the_papers(name: str, classes: int, image: tuple[int, int, int], pair: tuple[str, str]):
    task = tasks.load(name)
    assert (len(task.classes), task.image, (task.teacher.arch, task.student)) == (classes, image, pair)


def test_the_wordnet_ids_stand_in_order_and_by_the_right_names():
    imagenet, tiny, nette = (tasks.load(name) for name in ("imagenet", "tiny_imagenet", "imagenette"))
    assert list(imagenet.classes) == ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    names = dict(zip(imagenet.folders, imagenet.classes))
    for task in (imagenet, tiny, nette):
        assert list(task.folders) == sorted(task.folders)
        assert all(re.fullmatch(r"n\d{8}", folder) for folder in task.folders)
    assert list(tiny.classes) == [names[folder] for folder in tiny.folders]
    assert dict(zip(nette.folders, nette.classes)) == {key: each[0] for key, each in Imagenette._WNID_TO_CLASS.items()}


@pytest.mark.parametrize("name", tasks.names())
def test_a_task_as_it_is_shown_is_a_task(name: str, tmp_path: Path):
    """`dfkd-ray show imagenet > mine.yaml` begins a task of one's own."""
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(yamls.plain(tasks.load(name)), sort_keys=False))
    again, task = tasks.load(str(path)), tasks.load(name)
    assert replace(again, teacher=task.teacher) == task


def test_unknown_name_says_which_is_near():
    with pytest.raises(UnknownName, match=r"unknown task 'glider'; did you mean 'gliders'\? \(known: caltech101, "):
        tasks.load("glider")


def test_a_task_of_ones_own(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    task = tasks.load(str(path))
    assert task.teacher.weights == str(tmp_path / "mine.safetensors")  # beside the file that names them
    assert (task.classes, task.image, task.recipe.optimiser) == (("a", "b"), (1, 8, 8), "sgd")


def test_every_mistake_of_a_file_with_its_line(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace("student", "studnt") + "recipe: {lr: 0, optimizer: sgd}\nhold_out: {train: 1.5}\n")
    with pytest.raises(ConfigError) as caught:
        tasks.load(str(path))
    said = str(caught.value)
    assert f"{path}:8: studnt: no such field; did you mean 'student'?" in said
    assert f"{path}:9: recipe.optimizer: no such field; did you mean 'optimiser'?" in said
    assert f"{path}:10: hold_out.train: should be a valid integer" in said
    assert "student: is missing" in said


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="no such file"):
        tasks.load(str(tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"classes": ("a",)}, "at least two different names"),
        ({"classes": ("a", "a")}, "at least two different names"),
        ({"mean": (0.5,)}, "mean must have one number for each of the 3 channels"),
        ({"std": (0.1, 0.0, 0.1)}, "std must be > 0"),
        ({"image": (3, 0, 8)}, "each >= 1"),
        ({"folders": ("a",)}, "a different name for each of the 2 classes"),
        ({"folders": ("a", "a")}, "a different name for each of the 2 classes"),
        ({"crop": 0.0}, "crop must be above 0 and at most 1"),
        ({"crop": 1.1}, "crop must be above 0 and at most 1"),
    ],
)
def test_a_task_that_cannot_be(small: Task, change: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        replace(small, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "change", [{"epochs": 0}, {"lr": 0.0}, {"batch": -1}, {"momentum": 1.0}, {"weight_decay": -1.0}]
)
def test_a_recipe_that_cannot_be(change: dict[str, float]):
    with pytest.raises(ValueError, match=next(iter(change))):
        tasks.TeachRecipe(**change)  # type: ignore[arg-type]


def test_normalise_by_hand(small: Task):
    images = torch.zeros(1, 3, 8, 8, dtype=torch.uint8)
    images[0, 1, 2, 3] = 51  # 0.2
    x = tasks.normalise(small, images)
    assert x.dtype == torch.float32
    assert x[0, 1, 2, 3].item() == pytest.approx((0.2 - 0.4) / 0.25)
    assert x[0, 2, 0, 0].item() == pytest.approx(-0.3 / 0.3)


def test_denormalise_undoes_normalise_and_clips(small: Task):
    images = torch.arange(192).view(1, 3, 8, 8).to(torch.uint8)
    torch.testing.assert_close(tasks.denormalise(small, tasks.normalise(small, images)), images / 255)
    assert tasks.denormalise(small, torch.full((1, 3, 8, 8), 9.0)).max() == 1
    assert tasks.denormalise(small, torch.full((1, 3, 8, 8), -9.0)).min() == 0


def test_normalise_refuses_floats(small: Task):
    with pytest.raises(TypeError, match="uint8"):
        tasks.normalise(small, torch.zeros(1, 3, 8, 8))
