"""Dense tasks as their user meets them: teach, distil, evaluate, export, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from dfkd_ray import datasets, teachers
from dfkd_ray.runs import measures
from tests.cli.commands import Done, dfkd, refused

SHORT = ["--set", "schedule={epochs: 1, rounds: 1, source_steps: 1, student_steps: 1, batch: 4}"]
NARROW = ["--set", "source.width=4", "--set", "source.doublings=2", "--set", "source.latent=8"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    """A student of one step."""
    folder = tmp_path_factory.mktemp("dense") / "tiny"
    told = ["--task", "gliders_parts", "--student-arch", "fcn4", *SHORT, *NARROW, "--out", folder]
    return folder, dfkd("distill", "dfad_segmentation", *told)


def test_a_student_of_a_segmentation_is_told_by_its_mean_iou(run: tuple[Path, Done]) -> None:
    folder, done = run
    assert done.code == 0, done.err
    assert "val_miou" in done.out
    assert "test mean IoU" in done.out
    assert "accuracy" not in done.out
    assert "chance" not in done.out
    page = (folder / "report.html").read_text()
    assert "Test mean IoU" in page
    assert "test mean IoU" in page
    card = json.loads((folder / "trials" / "0000" / "run.json").read_text())
    assert card["metric"] == "val_miou"
    assert card["task"]["targets"] == "segmentation"


def test_it_is_evaluated_beside_its_teacher(run: tuple[Path, Done]) -> None:
    done = dfkd("evaluate", run[0])
    assert done.code == 0, done.err
    record = run[0] / "trials" / "0000" / "evaluation-last" / "evaluation.json"
    assert f"wrote {record}\npage: {record.parent / 'evaluation.html'}\n" in done.out
    assert "The student (fcn4) has a mean IoU of " in record.with_name("evaluation.html").read_text()
    found = json.loads(record.read_text())["measures"]
    task = datasets.load("gliders_parts")
    images, targets = datasets.split(task, "test")
    net = teachers.teacher(task)
    told = torch.cat([each.argmax(1) for each in measures.outputs(net, datasets.normalise(task, images))])
    both = [(told == k) & (targets == k) for k in range(5)]
    either = [(told == k) | (targets == k) for k in range(5)]
    ious = [int(b.sum()) / int(e.sum()) for b, e in zip(both, either)]
    assert list(found["teacher"]["classes"].values()) == pytest.approx(ious)
    assert found["teacher"]["miou"] == pytest.approx(sum(ious) / 5)
    assert sum(ious) / 5 > 0.9, "the shipped teacher knows the parts"
    assert found["student"]["miou"] < 0.9


def test_an_evaluation_of_classes_that_the_folder_held_is_not_shown_for_it(
    run: tuple[Path, Done], tmp_path: Path
) -> None:
    (tmp_path / "evaluation.arrow").write_bytes(b"of classes")
    done = dfkd("evaluate", run[0], "--out", tmp_path)
    assert done.code == 0, done.err
    assert "The student (fcn4) has a mean IoU of " in (tmp_path / "evaluation.html").read_text()
    assert not (tmp_path / "evaluation.arrow").exists()


def test_it_is_exported(run: tuple[Path, Done]) -> None:
    done = dfkd("export", run[0], "--to", "safetensors", "--threads", "1")
    assert done.code == 0, done.err
    assert "top class the same on 65536 of 65536 inputs" in done.out


def test_a_depth_is_distilled_from_a_file_of_weights_without_its_images(tmp_path: Path) -> None:
    made = tmp_path / "teacher.safetensors"
    done = dfkd("teach", "gliders_depth", "--arch", "fcn4", "--epochs", "1", "--out", made)
    assert done.code == 0, done.err
    assert f"wrote {made} and its card: fcn4 on gliders_depth, share within 1.25 train" in done.out
    told = ["--task", "gliders_depth", "--weights", made, "--student-arch", "fcn4", *SHORT, *NARROW]
    done = dfkd("distill", "dfad_segmentation", *told, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    assert "val_delta1" in done.out
    assert "test share within 1.25" in done.out
    curve = json.loads((tmp_path / "run" / "trials" / "0000" / "curve.json").read_text())
    assert {"val_delta1", "val_rmse", "val_rel", "correlation/source"} <= {*json.dumps(curve).split('"')}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["fast", "--task", "gliders_parts"],
            "source: upsampling, as it is set, is for classes, and the task's targets are segmentation",
        ),
        (
            ["noise_kd", "--task", "gliders_parts", "--student-arch", "resnet8"],
            "arch: the student (CifarResNet) tells classes",
        ),
        (["dfad", "--student-arch", "unet4"], "tells segmentation, its teacher (CifarResNet) classes"),
    ],
)
def test_what_is_not_for_these_targets_is_refused_by_name(tmp_path: Path, words: list[str], said: str) -> None:
    assert said in refused("distill", *words, "--out", tmp_path / "no")


def test_a_study_hears_of_it_where_it_is_validated(tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(
        "study: s\nmethod: dfad_segmentation\ntask: gliders_parts\nobjective: {metric: val_accuracy}\n"
        "search:\n  source_loss.batchnorm.weight: {log: [0.1, 1]}\n"
        "  student_loss.cam: {choice: [null, {weight: 1}]}\n  student.arch: {choice: [unet4, resnet8]}\n"
        "budget: {trials: 2}\n"
    )
    said = refused("validate", path)
    assert "s.yaml:4: objective: no trial reports 'val_accuracy'" in said
    assert "cam is for classes, and the task's targets are segmentation" in said
    assert "resnet8 has an output for each image; a task of segmentation needs one for a position: unet8, say" in said
