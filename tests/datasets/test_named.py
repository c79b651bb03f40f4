from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from torchvision.datasets import Imagenette
from torchvision.models import ResNet50_Weights

from dfkd_ray import datasets
from dfkd_ray.datasets.domainnet import DOMAINS
from dfkd_ray.nets import classifiers
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError, UnknownName

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
    drawn, arrays = (
        {"gliders", "gliders64", "gliders_parts", "gliders_depth"},
        {"cifar10", "cifar100", "digits", "fashion_mnist"},
    )
    trees = {"aircraft", "caltech101", "cars196", "cub200", "imagenet", "imagenette", "tiny_imagenet"}
    arrays |= {"bloodmnist", "pathmnist", "pneumoniamnist"}
    trees |= {"imagenet32", "imagenet64", *(f"domainnet_{domain}" for domain in DOMAINS)}
    assert datasets.names() == sorted(drawn | arrays | trees)


@pytest.mark.parametrize("name", datasets.names())
def test_every_shipped_task_is_whole(name: str):
    task = datasets.load(name)
    assert task.name == name
    assert task.reader in datasets.readers
    assert task.teacher.arch in classifiers
    assert task.student in classifiers
    assert (task.teacher.weights is None) == (task.teacher.test_accuracy is None)
    if task.teacher.weights:
        assert (datasets.HERE / task.teacher.weights).stat().st_size < 1_000_000


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
    task = datasets.load(name)
    assert (len(task.classes), task.image, (task.teacher.arch, task.student)) == (classes, image, pair)


def test_tasks_that_are_of_another_ship_too():
    imagenet, small = datasets.load("imagenet"), datasets.load("imagenet32")
    assert (small.image, small.classes, small.folders) == ((3, 32, 32), imagenet.classes, imagenet.folders)
    assert (small.reader, small.mean, small.origin) == ("imagenet", imagenet.mean, imagenet.origin)
    sketch, real = datasets.load("domainnet_sketch"), datasets.load("domainnet_real")
    assert replace(real, name=sketch.name, reader=sketch.reader) == sketch


def test_the_wordnet_ids_stand_in_order_and_by_the_right_names():
    imagenet, tiny, nette = (datasets.load(name) for name in ("imagenet", "tiny_imagenet", "imagenette"))
    assert list(imagenet.classes) == ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    names = dict(zip(imagenet.folders, imagenet.classes))
    for task in (imagenet, tiny, nette):
        assert list(task.folders) == sorted(task.folders)
        assert all(re.fullmatch(r"n\d{8}", folder) for folder in task.folders)
    assert list(tiny.classes) == [names[folder] for folder in tiny.folders]
    assert dict(zip(nette.folders, nette.classes)) == {key: each[0] for key, each in Imagenette._WNID_TO_CLASS.items()}


@pytest.mark.parametrize("name", datasets.names())
def test_a_task_as_it_is_shown_is_a_task(name: str, tmp_path: Path):
    """`dfkd-ray show imagenet > mine.yaml` begins a task of one's own."""
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(yamls.plain(datasets.load(name)), sort_keys=False))
    again, task = datasets.load(str(path)), datasets.load(name)
    assert replace(again, teacher=task.teacher) == task


def test_unknown_name_says_which_is_near():
    with pytest.raises(UnknownName, match=r"unknown task 'glider'; did you mean 'gliders'\? \(known: .*folder:PATH$"):
        datasets.load("glider")


def test_a_task_of_ones_own(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    task = datasets.load(str(path))
    assert task.teacher.weights == str(tmp_path / "mine.safetensors")  # beside the file that names them
    assert (task.classes, task.image, task.recipe.optimiser) == (("a", "b"), (1, 8, 8), "sgd")


def test_every_mistake_of_a_file_with_its_line(tmp_path: Path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace("student", "studnt") + "recipe: {lr: 0, optimizer: sgd}\nhold_out: {train: 1.5}\n")
    with pytest.raises(ConfigError) as caught:
        datasets.load(str(path))
    said = str(caught.value)
    assert f"{path}:8: studnt: no such field; did you mean 'student'?" in said
    assert f"{path}:9: recipe.optimizer: no such field; did you mean 'optimiser'?" in said
    assert f"{path}:10: hold_out: train must be a number of images or a share of them below 1" in said
    assert "student: is missing" in said


def test_a_missing_file_is_named(tmp_path: Path):
    with pytest.raises(ConfigError, match="no such file"):
        datasets.load(str(tmp_path / "none.yaml"))
