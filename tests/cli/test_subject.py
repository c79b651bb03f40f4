"""`distill` with a teacher and nothing else: what has to be said, what a card says, and what comes out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dfkd_ray import metrics, nets, teachers
from dfkd_ray.runs import preparing
from dfkd_ray.runs.card import RunCard
from dfkd_ray.runs.study_file import open_study
from dfkd_ray.tune.options import Options
from dfkd_ray.util import tables
from dfkd_ray.util.errors import ConfigError
from tests.cli.commands import TINY, dfkd, refused, sets

SMALL = sets({**TINY, "schedule.epochs": 1})
SAID = ("--teacher-arch", "resnet8", "--classes", "5", "--size", "32", "--mean", "0.5", "--std", "0.2,0.25,0.3")


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "mine.safetensors"
    save_file(nets.build("resnet8", 5).state_dict(), path)
    return path


def card(weights: Path, **content: Any) -> None:
    weights.with_suffix(".json").write_text(json.dumps(content))


def test_a_teacher_alone_teaches_a_student(weights: Path, tmp_path: Path) -> None:
    folder, words = tmp_path / "run", ["--weights", weights, *SAID, "--student-arch", "resnet8"]
    done = dfkd("distill", "dfkd_fgvc", *words, *SMALL, "--out", folder)
    assert (done.code, done.err) == (0, "")
    first, teacher, without, _, *_ = done.out.splitlines()
    assert first == "dfkd_fgvc on mine: resnet8 -> resnet8, 1 epoch, seed 0; input normalised by --mean and --std"
    assert teacher == f"the teacher is {weights}"
    assert without.startswith("no real images of mine here")
    told = {row["metric"] for row in tables.read(folder / "steps.arrow").to_pylist()}
    assert {row.name for row in metrics.ROWS if row.data_free} - {metrics.ASKED} <= told, "its source asks for no class"
    assert not {name for name in told if "accuracy" in name}
    nets.build("resnet8", 5).load_state_dict(load_file(folder / "trials" / "0000" / "student.safetensors"))
    task = RunCard.read(folder / "trials" / "0000").task
    assert (task.name, task.teacher.weights) == ("mine", str(weights))
    assert (task.image, task.mean, task.std) == ((3, 32, 32), (0.5,) * 3, (0.2, 0.25, 0.3))
    assert teachers.teacher(task).linear.out_features == 5
    again = refused("distill", "dfkd_fgvc", *words[:-3], "1", *words[-2:], *SMALL, "--out", folder)
    head, task, way_on = again.splitlines()
    assert head == f"{folder} was begun as another experiment:"
    assert task.endswith(
        "(mine) here; std.0 0.2 there, 1.0 here; std.1 0.25 there, 1.0 here; std.2 0.3 there, 1.0 here"
    )
    assert way_on == "name another folder with --out, or go on all the same with --accept-changes"


def test_a_card_says_what_need_not_be_said(weights: Path, tmp_path: Path) -> None:
    names = ["ant", "bee", "cat", "dog", "elk"]
    normalise = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    card(weights, arch="resnet8", class_names=names, image=[3, 32, 32], normalise=normalise)
    words = ["distill", "noise_kd", "--weights", weights, "--student-arch", "resnet8", "--out", tmp_path / "run"]
    done = dfkd(*words, "--set", "schedule={epochs: 1, rounds: 1, student_steps: 1, batch: 4}")
    assert "input normalised by the card beside mine.safetensors" in done.out
    task = RunCard.read(tmp_path / "run" / "trials" / "0000").task
    assert (list(task.classes), task.image) == (names, (3, 32, 32))
    assert {"mean": list(task.mean), "std": list(task.std)} == normalise


def test_images_of_ones_own_evaluate_it(weights: Path, tmp_path: Path) -> None:
    images = np.random.default_rng(0).integers(0, 256, (6, 32, 32, 3), np.uint8)
    labels = np.arange(6) % 5
    np.savez(tmp_path / "few.npz", val_images=images, val_labels=labels, images=images, labels=labels)
    words = ["--weights", weights, *SAID, "--student-arch", "resnet8", "--out", tmp_path / "run"]
    schedule = ["--set", "schedule={epochs: 1, rounds: 1, student_steps: 1, batch: 4}"]
    done = dfkd("distill", "noise_kd", *words, *schedule, "--data", tmp_path / "few.npz")
    assert "test accuracy " in done.out
    assert refused("distill", "noise_kd", *words, "--data", tmp_path) == (
        "mine has no images of its own: give --data FILE.npz with uint8 images and labels, or another --task"
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "gliders", "--classes", "5"], "--classes is for a teacher without a task"),
        (["--mean", "0.5"], "--mean is for a teacher without a task: give its --weights"),
    ],
)
def test_what_belongs_to_a_teacher_without_a_task(words: list[str], message: str) -> None:
    done = dfkd("distill", "noise_kd", *words)
    assert done.code == 2
    assert message in " ".join(done.err.replace("│", "").split())


def test_mistakes_leave_no_folder(weights: Path, tmp_path: Path) -> None:
    own = tmp_path / "own.pt"
    torch.save({"own.weight": torch.zeros(2, 2)}, own)
    first, *mistakes = refused("distill", "dfkd_fgvc", "--weights", own, "--out", tmp_path / "run").splitlines()
    assert first == "3 mistakes"
    said = f"is missing, and no card beside {own} says it"
    assert mistakes == [f"  --{option}: {said}" for option in ("teacher-arch", "classes", "size")]
    words = ["distill", "dfkd_fgvc", "--weights", weights, "--out", tmp_path / "run", *SMALL]
    assert refused(*words, *SAID[:6], "--mean", "dark", "--std", "1") == (
        "--mean: expected numbers such as 0.485,0.456,0.406, got 'dark'"
    )
    said = refused(*words, *SAID, "--set", "teacher.arch=resnet8")
    assert said == "--set: teacher.arch is given twice"
    said = refused(*words, *SAID, "--student-arch", "resnet9")
    assert said.startswith("unknown net 'resnet9'; did you mean 'resnet8'?")
    assert not (tmp_path / "run").exists()


def test_a_teacher_without_batchnorm_is_told_apart(tmp_path: Path) -> None:
    pytest.importorskip("timm")
    weights = tmp_path / "convnext.pt"
    torch.save(nets.build("timm:test_convnext", 5).state_dict(), weights)
    arches = ("--teacher-arch", "timm:test_convnext", "--student-arch", "timm:test_resnet")
    words = ["--weights", weights, *arches, *SAID[2:], *SMALL, "--out", tmp_path / "run"]
    assert refused("distill", "dfkd_fgvc", *words) == (
        "source_loss.batchnorm: the teacher (ConvNeXt) has no BatchNorm layer, so there is no BN prior: "
        "set this path to null"
    )
    done = dfkd("distill", "dfkd_fgvc", *words, "--set", "source_loss.batchnorm=null")
    assert (done.code, done.err) == (0, "")
    assert "timm:test_convnext -> timm:test_resnet" in done.out
    told = {row["metric"] for row in tables.read(tmp_path / "run" / "steps.arrow").to_pylist()}
    assert metrics.BATCHNORM not in told
    assert "agreement/source" in told
    (tmp_path / "alone.yaml").write_text(TASK.replace("resnet8, weights: mine.safetensors", "timm:test_convnext"))
    (tmp_path / "study.yaml").write_text(STUDY.format(task=tmp_path / "alone.yaml", metric=metrics.BATCHNORM))
    with pytest.raises(ConfigError, match=f"{metrics.BATCHNORM} needs a teacher with BatchNorm layers"):
        open_study(tmp_path / "study.yaml", Options(weights=weights))


STUDY = """
study: alone
question: Which temperature?
method: noise_kd
task: {task}
objective: {{metric: {metric}}}
search:
  student_loss.kd.temperature: {{log: [1, 20]}}
budget: {{trials: 1}}
"""
TASK = """
name: alone
reader: none
classes: [a, b, c, d, e]
image: [3, 32, 32]
mean: [0.5, 0.5, 0.5]
std: [0.2, 0.2, 0.2]
teacher: {arch: resnet8, weights: mine.safetensors}
student: resnet8
"""


def test_a_study_takes_it_as_a_task_of_ones_own(weights: Path, tmp_path: Path) -> None:
    (tmp_path / "alone.yaml").write_text(TASK)
    file = tmp_path / "study.yaml"
    file.write_text(STUDY.format(task=tmp_path / "alone.yaml", metric=metrics.BATCHNORM))
    made, work = open_study(file)
    assert (made.objective[0].sign, preparing.evaluable(work)) == (-1.0, False)
    file.write_text(STUDY.format(task=tmp_path / "alone.yaml", metric="val_accuracy"))
    with pytest.raises(ConfigError, match=f"val_accuracy needs real images of alone: .*{metrics.DATA_FREE} is the one"):
        open_study(file)
