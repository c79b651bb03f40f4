"""A teacher without a task: who says what of its images."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

from dfkd_ray import datasets, nets, teachers
from dfkd_ray.teachers import bare
from dfkd_ray.teachers.recognition import Recognised
from dfkd_ray.util.errors import ConfigError, DataError

module = importlib.import_module("dfkd_ray.teachers.bare")
CARD: dict[str, Any] = {
    "arch": "resnet8",
    "classes": 3,
    "class_names": ["a", "b", "c"],
    "image": [3, 32, 48],
    "normalise": {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]},
    "accuracy": {"test": 0.5},
}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "mine.pt"
    torch.save(nets.build("resnet8", 3).state_dict(), path)
    return path


def write(weights: Path, **changes: Any) -> None:
    card = {key: value for key, value in {**CARD, **changes}.items() if value is not None}
    weights.with_suffix(".json").write_text(json.dumps(card))


def test_all_from_the_card(weights: Path) -> None:
    write(weights)
    task = bare(weights=weights)
    assert (task.name, task.reader, task.classes, task.image) == ("mine", "none", ("a", "b", "c"), (3, 32, 48))
    assert (task.mean, task.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert (task.teacher.arch, task.teacher.weights, task.teacher.test_accuracy) == ("resnet8", str(weights), 0.5)
    assert task.normalised_by == "the card beside mine.pt"
    assert not teachers.teacher(task).training


def test_all_from_the_user(weights: Path) -> None:
    task = bare("resnet8", 3, 32, 1, weights=weights, mean=[0.5], std=[0.25])
    assert (task.classes, task.image, task.mean, task.std) == (("0", "1", "2"), (1, 32, 32), (0.5,), (0.25,))
    assert (task.teacher.arch, task.normalised_by) == ("resnet8", "--mean and --std")
    assert bare("resnet8", 3, 32, weights=weights, mean=[0.5], std=[0.1, 0.2, 0.3]).mean == (0.5, 0.5, 0.5)


def test_above_64_pixels_a_teacher_is_taken_for_one_of_imagenets_kind(weights: Path) -> None:
    task = bare("resnet34", 3, 224, weights=weights)
    assert (task.mean, task.std) == ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    assert "a reconstruction" in task.normalised_by
    assert task.student == "resnet18"
    small = bare("resnet8", 3, 64, weights=weights, mean=[0.5], std=[0.5])
    assert small.student == "cifar_resnet18"
    for size, channels in ((64, 3), (224, 1)):
        with pytest.raises(ConfigError, match=r"--mean: no card beside .*mine.pt says how .*: give --mean and --std"):
            bare("resnet8", 3, size, channels, weights=weights)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"classes": 4}, "--classes: 4, but the card of {weights} says 3"),
        ({"size": 48}, "--size: 48, but the card of {weights} says 32"),
        ({"channels": 1}, "--channels: 1, but the card of {weights} says 3"),
        ({"std": [1.0]}, "--mean: the card of {weights} says how its input is normalised: leave it out"),
    ],
)
def test_what_the_card_says_otherwise(given: dict[str, Any], message: str, weights: Path) -> None:
    write(weights)
    with pytest.raises(ConfigError) as caught:
        bare(weights=weights, **given)
    assert str(caught.value) == message.format(weights=weights)
    assert bare(classes=3, size=32, channels=3, weights=weights) == bare(weights=weights)


def test_what_nobody_says_is_asked_for_at_once(weights: Path) -> None:
    write(weights, arch=None, image=None, classes=None, class_names=None)
    torch.save({"own.weight": torch.zeros(2, 3)}, weights)
    with pytest.raises(ConfigError) as caught:
        bare(weights=weights)
    assert [problem.path for problem in caught.value.problems] == ["--teacher-arch", "--classes", "--size"]


def test_names_and_shapes_say_what_nobody_does(weights: Path) -> None:
    told: list[str] = []
    task = bare(weights=weights, mean=[0.5], std=[0.5], tell=told.append)
    assert (task.teacher.arch, len(task.classes), task.image) == ("resnet8", 3, (3, 32, 32))
    line = "mine.pt: by its names and shapes resnet8, 3 classes, 32 pixels, as such nets are made for"
    assert told == [f"{line} (--size says otherwise)"]
    assert bare(size=48, weights=weights, mean=[0.5], std=[0.5]).image == (3, 48, 48)
    assert bare("resnet20", weights=weights, mean=[0.5], std=[0.5]).teacher.arch == "resnet20"
    told.clear()
    bare("resnet8", 3, 32, weights=weights, mean=[0.5], std=[0.5], tell=told.append)
    assert told == []


def test_a_double_is_named_where_nobody_says_the_net(tmp_path: Path) -> None:
    told: list[str] = []
    torch.save(nets.build("resnet18", 2).state_dict(), tmp_path / "t.pt")
    assert bare(weights=tmp_path / "t.pt", tell=told.append).teacher.arch == "resnet18"
    assert told == [
        "t.pt: by its names and shapes resnet18, 2 classes, 224 pixels, as such nets are made for (--size says "
        "otherwise); taken to be resnet18: timm:resnetblur18 has the same names and shapes (--teacher-arch says "
        "otherwise)"
    ]


def test_where_several_nets_fit_nobody_guesses(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    several = Recognised("timm:a", 3, side=224, also=("timm:b",))
    monkeypatch.setattr(module, "recognised", lambda state: several)
    with pytest.raises(ConfigError) as caught:
        bare(weights=weights)
    assert str(caught.value) == (
        f"--teacher-arch: is missing, and no card beside {weights} says it; its names and shapes fit timm:a, timm:b"
    )


def test_one_network_of_several(weights: Path) -> None:
    states = {name: nets.build("resnet8", count).state_dict() for name, count in (("model", 3), ("ema", 4))}
    torch.save(states, weights)
    with pytest.raises(DataError, match=r"mine\.pt: holds 2 networks, model and ema: say which one"):
        bare(weights=weights)
    task = bare(weights=weights.with_name("mine.pt#ema"), mean=[0.5], std=[0.5])
    assert (task.name, len(task.classes)) == ("mine", 4)
    assert teachers.teacher(task)(torch.zeros(1, 3, 32, 32)).shape == (1, 4)
    write(weights, classes=4, class_names=list("abcd"), image=[3, 32, 32])
    assert bare(weights=weights.with_name("mine.pt#ema")).classes == ("a", "b", "c", "d"), "the card is the file's"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": [32, 32]}, r"image must be \[channels, height, width\], got \[32, 32\]"),
        ({"class_names": "abc"}, "class_names must be a list of names, got 'abc'"),
        ({"normalise": {"mean": [0]}}, "normalise must be"),
    ],
)
def test_a_damaged_card(changes: dict[str, Any], message: str, weights: Path) -> None:
    write(weights, **changes)
    with pytest.raises(DataError, match=message):
        bare(weights=weights)


def test_statistics_that_fit_no_image(weights: Path) -> None:
    with pytest.raises(ConfigError, match="--mean: a number for each channel, 3 in all, or one, got 2"):
        bare("resnet8", 3, 32, weights=weights, mean=[0, 0], std=[1])
    with pytest.raises(ConfigError, match="--std: must be > 0, got 0"):
        bare("resnet8", 3, 32, weights=weights, mean=[0], std=[0])


def test_there_are_no_images(weights: Path) -> None:
    write(weights)
    with pytest.raises(DataError, match=r"mine has no images of its own: give --data FILE\.npz"):
        datasets.split(bare(weights=weights), "test")
