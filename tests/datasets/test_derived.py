from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from dfkd_ray import datasets
from dfkd_ray.datasets import HoldOut, Task
from dfkd_ray.datasets.identity import of_task
from dfkd_ray.util.errors import ConfigError
from tests.datasets.trees import every, write_classes

pytestmark = pytest.mark.usefixtures("cache")


def made(folder: Path, text: str) -> Task:
    path = folder / "mine.yaml"
    path.write_text(text)
    return datasets.load(str(path))


def test_the_first_classes_of_a_published_set(tmp_path: Path) -> None:
    whole, task = datasets.load("cub200"), made(tmp_path, "of: cub200\nfirst: 10\nimage: [3, 64, 64]\n")
    assert (task.name, task.classes, task.among) == ("mine", whole.classes[:10], whole.classes)
    assert (task.image, task.reader, task.crop, task.recipe) == ((3, 64, 64), "cub200", whole.crop, whole.recipe)
    assert whole.origin is not None
    assert task.origin is not None
    assert (task.origin.archives, task.origin.counts.stated) == (whole.origin.archives, {})
    assert of_task(task) not in (of_task(whole), of_task(made(tmp_path, "of: cub200\nfirst: 11\n")))


def test_some_classes_by_name_in_the_order_of_the_file(tmp_path: Path) -> None:
    task = made(tmp_path, "of: cifar10\nclasses: [Cat, dog]\nhold_out: {test: 0}\nrecipe: {epochs: 3}\n")
    assert task.classes == ("cat", "dog")
    assert task.hold_out == HoldOut(train=1000, test=0), "a fifth of 5,000, and what the file says"
    assert (task.recipe.epochs, task.recipe.batch) == (3, 128)
    rows = np.arange(10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 3), np.uint8)
    np.savez(tmp_path / "x.npz", images=rows, labels=np.arange(10))
    part = datasets.split(task, "test", tmp_path / "x.npz")
    assert (part.labels.tolist(), part.images[:, 0, 0, 0].tolist()) == ([0, 1], [3, 5])


def test_all_classes_keep_the_teacher(tmp_path: Path) -> None:
    task, whole = made(tmp_path, "of: gliders\nstudent: resnet20\n"), datasets.load("gliders")
    assert (task.classes, task.among, task.student) == (whole.classes, (), "resnet20")
    assert task.teacher.file == datasets.HERE / str(whole.teacher.weights)
    part = made(tmp_path, "of: gliders\nfirst: 2\n")
    assert (part.teacher.weights, datasets.spoken(part), datasets.spoken(whole)) == (None, "mine.yaml", "gliders")


def test_a_folder_beside_the_file(tmp_path: Path) -> None:
    write_classes(tmp_path / "photos", {"a": 10, "b": 10, "c": 10})
    task = made(tmp_path, "of: folder:photos@8\nclasses: [c, a]\nsplit: 60/20/20\nskip_damaged: 2\n")
    assert (task.split, task.skip_damaged, task.data) == ("60/20/20", 2, str(tmp_path / "photos"))
    assert datasets.spoken(task) == "mine.yaml"
    got = every(task)
    assert {which: len(labels) for which, labels in got.items()} == {"train": 12, "val": 4, "test": 4}
    together = got["train"] | got["val"] | got["test"]
    assert together == {2 * i: (1 if i < 10 else 0) for i in [*range(10), *range(20, 30)]}


def test_a_task_of_a_task_of_a_task(tmp_path: Path) -> None:
    (tmp_path / "three.yaml").write_text("of: cifar10\nfirst: 3\n")
    task = made(tmp_path, "of: three.yaml\nclasses: [bird, airplane]\n")
    assert (task.classes, task.among) == (("bird", "airplane"), datasets.load("cifar10").classes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("of: cifar\n", r"mine.yaml:1: of: unknown task 'cifar'; did you mean 'cifar10'"),
        ("of: 3\n", r"mine.yaml:1: of: should be a task by name, a YAML file or folder:PATH, got 3$"),
        ("of: cifar10\nfirst: 11\n", r"mine.yaml:2: first: should be a number from 2 to the 10 of cifar10, got 11$"),
        ("of: cifar10\nfirst: 1\n", r"mine.yaml:2: first: should be a number from 2"),
        ("of: cifar10\nfirst: 2\nclasses: [cat, dog]\n", r"mine.yaml:2: first: classes says it too"),
        (
            "of: cifar10\nclasses: [cat, dgo]\n",
            r"mine.yaml:2: classes: 'dgo' is no class of cifar10; did you mean 'dog'\?$",
        ),
        ("of: cifar10\nclasses: cat\n", r"mine.yaml:2: classes: should be a list of names, got 'cat'$"),
        ("of: cifar10\nclasses: [cat, cat]\n", r"mine.yaml:2: classes: must be at least two different names$"),
        ("of: cifar10\nfrist: 3\n", r"mine.yaml:2: frist: no such field; did you mean 'fit'\?"),
        ("of: cifar10\nsplit: 80/20\n", r"split must be per cent to train, .*, got '80/20'$"),
        ("of: cifar10\nskip_damaged: -1\n", r"skip_damaged must be >= 0, got -1$"),
    ],
)
def test_every_mistake_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        made(tmp_path, text)


def test_a_task_of_itself(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"mine.yaml is of itself"):
        made(tmp_path, "of: mine.yaml\n")
