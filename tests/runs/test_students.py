"""Students opened again: each network sees images as it was trained to. What is refused: tests/cli/test_evaluate.py."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from dfkd_ray import nets
from dfkd_ray.datasets import gliders, load
from dfkd_ray.methods import config
from dfkd_ray.nets.digest import digest
from dfkd_ray.runs import students
from dfkd_ray.runs.card import RunCard
from dfkd_ray.teachers import teacher
from dfkd_ray.util.folders import STUDENTS

TASK = load("gliders")
OTHER = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}


def saved(path: Path, seed: int, card: dict[str, object] | None = None) -> Path:
    torch.manual_seed(seed)
    save_file(nets.build("resnet8", 12).state_dict(), path)
    if card is not None:
        path.with_suffix(".json").write_text(json.dumps(card))
    return path


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    folder.mkdir()
    for seed, name in enumerate(STUDENTS.values()):
        saved(folder / name, seed)
    told = {"study": "demo", "trial": 0, "arm": None, "seed": 3, "changes": {}, "metric": "val_accuracy"}
    own = {"method": config.load("noise_kd"), "task": TASK, "data": str(tmp_path / "images"), "versions": {}}
    RunCard(**told, **own, teacher_digest=digest(teacher(TASK).state_dict())).write(folder)
    return folder


def test_last_and_best_are_two_students_of_one_teacher(run: Path) -> None:
    last, best = (students.of_run(run, which, None, None, None) for which in STUDENTS)
    assert last.student.weights.name == "student.safetensors"
    assert best.student.weights.name == "student_best.safetensors"
    one, other = (each.student.net.state_dict()["linear.weight"] for each in (last, best))
    assert not torch.equal(one, other)
    assert last.teacher is not None
    assert torch.equal(last.teacher.net.state_dict()["linear.weight"], teacher(TASK).state_dict()["linear.weight"])
    for network in last.networks.values():
        assert not network.net.training
        assert not any(p.requires_grad for p in network.net.parameters())
    assert (last.run["seed"], last.run["which"], best.run["which"]) == (3, "last", "best")
    assert last.data == str(run.parent / "images")


def test_another_teacher_does_not_change_how_the_student_sees(run: Path, tmp_path: Path) -> None:
    foreign = saved(tmp_path / "foreign.safetensors", 7, {"normalise": OTHER, "arch": "resnet8"})
    found = students.of_run(run, "last", None, foreign, None)
    assert found.teacher is not None
    assert (found.teacher.task.mean, found.student.task.mean) == (tuple(OTHER["mean"]), TASK.mean)
    images = torch.from_numpy(gliders.draw(2, 0)[0]).permute(0, 3, 1, 2)
    pixel = images[0, :, 0, 0] / 255
    for network, mean, std in ((found.student, TASK.mean, TASK.std), (found.teacher, OTHER["mean"], OTHER["std"])):
        expected = (pixel - torch.tensor(mean)) / torch.tensor(std)
        torch.testing.assert_close(network.prepare(images)[0, :, 0, 0], expected)


def test_another_task_is_not_evaluated_on_the_images_of_the_run(run: Path) -> None:
    assert students.of_run(run, "last", "gliders", None, None).data is None


def test_a_card_says_what_a_file_is(tmp_path: Path) -> None:
    told = saved(tmp_path / "told.safetensors", 1, {"normalise": OTHER, "arch": "resnet8"})
    found = students.of_file(told, None, "gliders", None, None)
    assert (found.student.arch, found.student.task.mean) == ("resnet8", tuple(OTHER["mean"]))
    assert found.teacher is not None
    assert found.teacher.task.mean == TASK.mean
    assert found.run == {}
    alone = students.of_file(saved(tmp_path / "alone.safetensors", 1), "resnet8", "gliders", told, None)
    assert alone.student.task.mean == tuple(OTHER["mean"]), "without a card it sees as its teacher does"
