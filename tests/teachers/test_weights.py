from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from dfkd_ray import datasets, teachers
from dfkd_ray.datasets import Task
from dfkd_ray.nets import build
from dfkd_ray.teachers import weights
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.sealed import seal_json


@pytest.fixture
def state() -> dict[str, Tensor]:
    torch.manual_seed(3)
    return {key: value + 0.01 for key, value in build("resnet8", 2).state_dict().items() if value.is_floating_point()}


def same(net: torch.nn.Module, state: dict[str, Tensor]) -> bool:
    return all(torch.equal(net.state_dict()[key], value) for key, value in state.items())


def card(path: Path, **content: Any) -> Path:
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("kind", ["plain", "nested", "parallel", "safetensors"])
def test_a_teacher_from_every_kind_of_file(small: Task, state: dict[str, Tensor], tmp_path: Path, kind: str):
    path = tmp_path / ("t.safetensors" if kind == "safetensors" else "t.pth")
    if kind == "safetensors":
        save_file(state, path)
    elif kind == "nested":
        torch.save({"state_dict": state, "epoch": 3}, path)
    else:
        torch.save({f"module.{k}" if kind == "parallel" else k: v for k, v in state.items()}, path)
    net = teachers.teacher(small, weights=path)
    assert same(net, state)  # num_batches_tracked is not in the file: old files lack it
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())


def test_the_shipped_teacher():
    task = datasets.load("gliders")
    net = teachers.teacher(task)
    assert not any(p.requires_grad for p in net.parameters())
    part = datasets.split(task, "test")
    x = datasets.normalise(task, part.images)
    with torch.no_grad():
        accuracy = (net(x).argmax(1) == part.labels).double().mean().item()
    assert accuracy >= 0.95
    assert accuracy == pytest.approx(task.teacher.test_accuracy, abs=0.002)


def test_the_shipped_teachers_card_is_its_own():
    task = datasets.load("gliders")
    path = datasets.HERE / str(task.teacher.weights)
    card = weights.read_card(path)
    assert card is not None
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["accuracy"]["test"] == task.teacher.test_accuracy
    assert card["arch"] == task.teacher.arch
    assert card["recipe"] == task.recipe.__dict__


def test_batch_norm_statistics_of_the_shipped_teacher_are_those_of_the_training_images():
    task = datasets.load("gliders")
    net = teachers.teacher(task)
    x = datasets.normalise(task, datasets.split(task, "train").images[:1200])
    inputs: dict[str, Tensor] = {}
    norms = {name: m for name, m in net.named_modules() if isinstance(m, torch.nn.BatchNorm2d)}
    for name, norm in norms.items():
        norm.register_forward_hook(lambda m, args, out, name=name: inputs.update({name: args[0]}))
    with torch.no_grad():
        net(x)
    for name, norm in norms.items():
        assert norm.running_mean is not None
        assert norm.running_var is not None
        spread = norm.running_var.sqrt()
        assert ((inputs[name].mean((0, 2, 3)) - norm.running_mean).abs() / spread).max() < 0.05, name
        torch.testing.assert_close(inputs[name].var((0, 2, 3)), norm.running_var, rtol=0.1, atol=1e-4)


def test_all_that_does_not_fit_is_listed(small: Task, state: dict[str, Tensor], tmp_path: Path):
    del state["conv1.weight"], state["bn1.bias"]
    state["extra.weight"] = torch.zeros(1)
    state["linear.weight"] = torch.zeros(10, 64)
    path = tmp_path / "t.pt"
    torch.save(state, path)
    with pytest.raises(DataError) as caught:
        teachers.teacher(small, weights=path)
    said = str(caught.value)
    assert said.startswith(f"{path} does not fit the net CifarResNet: the head has 10 classes, the task 2\n")
    assert "2 missing: conv1.weight, bn1.bias" in said
    assert "1 unexpected: extra.weight" in said
    assert "linear.weight (10, 64) in the file, (2, 64) in the net" in said


def test_what_a_training_noted_among_the_weights_is_passed_over_but_no_weight_of_the_net(
    small: Task, state: dict[str, Tensor], tmp_path: Path
):
    torch.save({**state, "epoch": torch.tensor(3), "best_acc": torch.tensor(3.0)}, tmp_path / "t.pt")
    assert same(teachers.teacher(small, "resnet8", tmp_path / "t.pt"), state)
    net = torch.nn.Linear(2, 3)
    net.temperature = torch.nn.Parameter(torch.tensor(1.0))
    weights.fill(net, {**net.state_dict(), "temperature": torch.tensor(2.0), "epoch": torch.tensor(3)}, "t.pt")
    assert net.temperature == 2


def test_a_head_that_fits_is_not_spoken_of(small: Task, state: dict[str, Tensor], tmp_path: Path):
    for head in ({}, {"linear.weight": state.pop("linear.weight")}):
        torch.save({**state, **head, "more": torch.zeros(1)}, tmp_path / "t.pt")
        with pytest.raises(DataError, match=r"t.pt does not fit the net CifarResNet:\n"):
            teachers.teacher(small, weights=tmp_path / "t.pt")


def test_weights_that_are_not_those_of_their_card_are_refused(small: Task, state: dict[str, Tensor], tmp_path: Path):
    path = tmp_path / "t.pt"
    torch.save(state, path)
    card(tmp_path / "t.json", sha256=hashlib.sha256(path.read_bytes()).hexdigest())
    assert same(teachers.teacher(small, weights=path), state)
    torch.save({key: value + 1 for key, value in state.items()}, path)
    with pytest.raises(DataError, match=r"t.pt: damaged, or not the file of its card: sha256 \w{12}, not \w{12}$"):
        teachers.teacher(small, weights=path)


@pytest.mark.parametrize("name", ["t.pt", "t.safetensors"])
def test_damaged_and_missing_files(small: Task, tmp_path: Path, name: str):
    with pytest.raises(DataError, match=f"{name}: there is no such file"):
        teachers.teacher(small, weights=tmp_path / name)
    (tmp_path / name).write_bytes(b"nothing that anybody could read")
    with pytest.raises(DataError, match=name):
        teachers.teacher(small, weights=tmp_path / name)


class Sneaky:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("code from a file of weights ran",)


def test_a_pickle_that_calls_code_is_refused(small: Task, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    torch.save(Sneaky(), tmp_path / "t.pt")
    with pytest.raises(DataError, match="not opened: it holds more than tensors"):
        teachers.teacher(small, weights=tmp_path / "t.pt")
    assert "code from" not in capsys.readouterr().out


@pytest.mark.parametrize("content", [[1, 2], {}, {"state_dict": {"a": 1}}])
def test_a_file_of_something_else(small: Task, tmp_path: Path, content: object):
    torch.save(content, tmp_path / "t.pt")
    with pytest.raises(DataError, match="expected names and tensors"):
        teachers.teacher(small, weights=tmp_path / "t.pt")


def test_a_task_without_a_teacher_says_what_to_do(small: Task):
    with pytest.raises(DataError, match=r"--weights FILE .* `dfkd-ray teach small.yaml`"):
        teachers.teacher(small)


@pytest.mark.parametrize("name", ["t.json", "t.pt.json"])
def test_adopt_takes_normalisation_arch_and_accuracy_from_the_card(
    small: Task, state: dict[str, Tensor], tmp_path: Path, name: str
):
    torch.save(state, tmp_path / "t.pt")
    normalise = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    card(tmp_path / name, normalise=normalise, arch="resnet20", accuracy={"test": 0.9})
    with pytest.raises(DataError, match=r"mean \(0.1, 0.2, 0.3\).*adopt\(task, weights\)"):
        teachers.teacher(small, weights=tmp_path / "t.pt")  # would be fed the wrong colours
    task = teachers.adopt(small, tmp_path / "t.pt")
    assert (task.mean, task.std) == ((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert (task.teacher.arch, task.teacher.test_accuracy) == ("resnet20", 0.9)
    assert task.normalised_by == "the card beside t.pt"
    chosen = teachers.adopt(small, tmp_path / "t.pt", "resnet8")
    assert same(teachers.teacher(chosen), state)


def test_adopt_without_a_card_keeps_the_tasks_normalisation(small: Task, tmp_path: Path):
    task = teachers.adopt(small, tmp_path / "t.pt")
    assert (task.mean, task.std, task.normalised_by) == (small.mean, small.std, "the task")
    assert task.teacher == replace(small.teacher, weights=str(tmp_path / "t.pt"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "must be a JSON object"),
        ('{"normalise": {"mean": [1, 2, 3]}}', "normalise must be"),
        ('{"normalise": {"mean": [1], "std": [1]}}', "3 channels"),
        ('{"normalise": {"mean": [1, 1, 1], "std": [1, 0, 1]}}', "std > 0"),
        ('{"class_names": 2}', "class_names must be a list of names, got 2"),
        ('{"image": [32, 32]}', r"image must be \[channels, height, width\]"),
    ],
)
def test_a_damaged_card(small: Task, tmp_path: Path, text: str, message: str):
    (tmp_path / "t.json").write_text(text)
    with pytest.raises(DataError, match=message):
        teachers.adopt(small, tmp_path / "t.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"classes": 3}, "a teacher of 3 classes does not fit the 2 of small"),
        ({"class_names": ["a", "b", "c"]}, "a teacher of 3 classes does not fit the 2 of small"),
        ({"class_names": ["right", "left"]}, "the classes of small in another order: right, left"),
        ({"image": [3, 32, 32]}, r"a teacher of images of \(3, 32, 32\), but those of small are \(3, 8, 8\)"),
        ({"image": [1, 8, 8]}, r"a teacher of images of \(1, 8, 8\)"),
    ],
)
def test_a_teacher_of_other_classes_or_images_is_refused(
    small: Task, tmp_path: Path, content: dict[str, Any], message: str
):
    card(tmp_path / "t.json", **content)
    with pytest.raises(DataError, match=rf"the card of .*t.pt: {message}"):
        teachers.adopt(small, tmp_path / "t.pt")


def test_classes_may_have_other_names(small: Task, tmp_path: Path):
    card(tmp_path / "t.json", classes=2, class_names=["west", "east"], image=[3, 8, 8])
    assert teachers.adopt(small, tmp_path / "t.pt").classes == small.classes


@pytest.mark.parametrize(("name", "task_arch"), [("resnet20", "resnet8"), ("wrn_16_1", "resnet8")])
def test_adopt_without_a_card_takes_the_net_of_the_names_and_shapes(
    small: Task, tmp_path: Path, name: str, task_arch: str
):
    torch.save(build(name, 2).state_dict(), tmp_path / "t.pt")
    assert small.teacher.arch == task_arch
    assert teachers.adopt(small, tmp_path / "t.pt").teacher.arch == name
    assert teachers.adopt(small, tmp_path / "t.pt", "resnet56").teacher.arch == "resnet56", (
        "what is asked for goes first"
    )
    torch.save({"own.weight": torch.zeros(2)}, tmp_path / "t.pt")
    assert teachers.adopt(small, tmp_path / "t.pt").teacher.arch == task_arch


def test_what_does_not_fit_is_said_to_be_what_it_is(small: Task, tmp_path: Path):
    torch.save(build("resnet20_b", 2).state_dict(), tmp_path / "t.pt")
    with pytest.raises(DataError, match=r"\n  by its names and shapes it is resnet20_b, 2 classes$"):
        teachers.teacher(small, "resnet20", tmp_path / "t.pt")


def test_one_network_of_a_file_with_its_card(small: Task, state: dict[str, Tensor], tmp_path: Path):
    path = tmp_path / "t.pth"
    torch.save({"model": {key: 0 * value for key, value in state.items()}, "model_ema": state}, path)
    card(tmp_path / "t.json", sha256=hashlib.sha256(path.read_bytes()).hexdigest(), arch="resnet8")
    task = teachers.adopt(small, tmp_path / "t.pth#model_ema")
    assert task.teacher.weights == f"{path}#model_ema"
    assert same(teachers.teacher(task), state)


def test_a_card_is_carried_whatever_the_files_name(tmp_path: Path):
    save_file({"a": torch.zeros(1)}, tmp_path / "t.pt", {weights.CARD: json.dumps({"arch": "resnet8"})})
    assert weights.read_card(tmp_path / "t.pt") == {"arch": "resnet8"}


def test_a_card_that_is_damaged_or_edited(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    (tmp_path / "a.json").write_bytes(seal_json({"arch": "resnet20"}))
    assert weights.read_card(path) == {"arch": "resnet20"}
    (tmp_path / "a.json").write_bytes(seal_json({"arch": "resnet20"}).replace(b"resnet20", b"resnet56"))
    says = rf"^{tmp_path}/a\.json: damaged: its checksum does not fit; .* or remove its 'seal' if you edited it$"
    with pytest.raises(DataError, match=says):
        weights.read_card(path)
