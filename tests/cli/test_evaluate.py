"""`evaluate`: a run, or files of weights, to tables and a page; and what is not understood."""

from __future__ import annotations

import json
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from dfkd_ray import datasets, nets
from dfkd_ray.datasets import gliders
from dfkd_ray.runs.card import RunCard
from dfkd_ray.util import tables
from dfkd_ray.util.store import Store
from tests.cli.commands import SPLITS, Done, dfkd, refused

SHORT = ["--set", "schedule={epochs: 1, rounds: 1, student_steps: 2, batch: 4}"]
TEN = (
    "name: t\nreader: npz\nclasses: [a, b, c, d, e, f, g, h, i, j]\nimage: [3, 32, 32]\nmean: [0.5, 0.5, 0.5]\n"
    "std: [0.2, 0.2, 0.2]\nteacher: {arch: resnet8}\nstudent: resnet8\nhold_out: {test: 4}\n"
)
OWN = datasets.HERE / "gliders_resnet8.safetensors"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A student of two steps."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    assert dfkd("distill", "noise_kd", *SHORT, "--out", folder).code == 0
    return folder


def of(folder: Path) -> Path:
    """The folder of the one trial."""
    return folder / "trials" / "0000"


@pytest.fixture(scope="module")
def evaluated(run: Path) -> Done:
    return dfkd("evaluate", run)


def test_a_run_is_evaluated_beside_its_teacher(run: Path, evaluated: Done) -> None:
    assert (evaluated.code, evaluated.err) == (0, "")
    lines = evaluated.out.splitlines()
    assert lines[0] == (
        "gliders, 24 images of split test: student resnet8 (student.safetensors), "
        "teacher resnet8 (gliders_resnet8.safetensors)"
    )
    assert lines[1].split() == ["student", "teacher"]
    folder = of(run) / "evaluation-last"
    assert sorted(p.name for p in folder.iterdir()) == ["evaluation.arrow", "evaluation.html", "examples.arrow"]
    assert lines[-1] == f"page: {folder / 'evaluation.html'}"
    table = tables.read(folder / "evaluation.arrow")
    note = tables.metadata(table)
    images, labels = gliders.draw(*SPLITS["test"])
    student = nets.build("resnet8", 12)
    student.load_state_dict(load_file(of(run) / "student.safetensors"))
    mean, std = (
        torch.tensor(note_).view(3, 1, 1) for note_ in (datasets.load("gliders").mean, datasets.load("gliders").std)
    )
    with torch.no_grad():
        logits = student.eval()((torch.from_numpy(images).permute(0, 3, 1, 2) / 255 - mean) / std)
    assert table["student"].to_pylist() == logits.argmax(1).tolist()
    right = float(np.mean(logits.argmax(1).numpy() == labels))
    assert note["measures"]["student"]["top1"] == pytest.approx(right)
    assert lines[2].split()[:4] == ["Top-1", "accuracy", f"{100 * right:.1f}", "%"]
    assert note["run"] == {
        **{"name": "tiny", "study": "tiny", "trial": 0, "which": "last", "seed": 0},
        "fingerprint": RunCard.read(of(run)).fingerprint,
        "own_teacher": True,
    }
    assert note["networks"]["teacher"]["weights"] == "gliders_resnet8.safetensors"


def test_the_same_for_programs(run: Path, evaluated: Done, tmp_path: Path) -> None:
    done = dfkd("evaluate", run.parent / "tiny", "--json", "--out", tmp_path)
    assert (done.code, done.err) == (0, "")
    told = json.loads(done.out)
    written = tables.metadata(tables.read(of(run) / "evaluation-last" / "evaluation.arrow"))
    assert told["measures"] == written["measures"]
    assert (told["split"], told["images"], told["without_teacher"]) == ("test", 24, None)
    assert told["page"] == str(tmp_path / "evaluation.html")


def test_images_of_a_store_are_brought_and_found_again(
    bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "cache"))
    held = BytesIO()
    (images, labels), (val_images, val_labels) = (gliders.draw(*SPLITS[which]) for which in ("test", "val"))
    np.savez(held, images=images, labels=labels, val_images=val_images, val_labels=val_labels)
    Store(bucket).put("gliders.npz", held.getvalue())
    taught = dfkd("distill", "noise_kd", *SHORT, "--out", tmp_path / "run", "--data", f"{bucket}/gliders.npz")
    assert taught.code == 0
    (line,) = [line for line in taught.err.splitlines() if line.startswith(bucket)]
    assert " brought to " in line
    assert RunCard.read(of(tmp_path / "run")).data == f"{bucket}/gliders.npz"
    (here,) = (tmp_path / "cache").glob("stores/*/*/gliders.npz")
    found = [dfkd("evaluate", tmp_path / "run", *more).out.splitlines() for more in ([], ["--data", here])]
    assert found[0] == found[1]
    absent = f"{bucket}/glider.npz"
    said = refused("evaluate", tmp_path / "run", "--data", absent)
    assert said == f"{absent}: there is no such object, and no folder with any"


def test_report_builds_its_page_again(run: Path, evaluated: Done, tmp_path: Path) -> None:
    for name in ("evaluation.arrow", "examples.arrow"):
        shutil.copy(of(run) / "evaluation-last" / name, tmp_path)
    assert dfkd("report", tmp_path).out == f"wrote {tmp_path / 'evaluation.html'}\n"
    first = (of(run) / "evaluation-last" / "evaluation.html").read_bytes()
    assert (tmp_path / "evaluation.html").read_bytes() == first


def test_a_file_of_weights_on_the_validation_split(tmp_path: Path) -> None:
    """The teacher as its own student: it agrees with itself."""
    words = ["--weights", OWN, "--task", "gliders", "--split", "val", "--out", tmp_path]
    done = dfkd("evaluate", *words)
    assert (done.code, done.err) == (0, "")
    note = tables.metadata(tables.read(tmp_path / "evaluation.arrow"))
    assert (note["measures"]["agreement"], note["split"], note["run"]) == (1.0, "val", {})
    assert note["measures"]["kl"] == pytest.approx(0, abs=1e-6)


def test_a_task_without_a_teacher_has_a_student_alone(tmp_path: Path) -> None:
    images, labels = gliders.draw(24, 5)
    np.savez(tmp_path / "test.npz", images=images, labels=labels % 10)
    save_file(nets.build("resnet8", 10).state_dict(), tmp_path / "s.safetensors")
    words = ["--weights", "s.safetensors", "--task", "cifar10", "--data", "test.npz", "--split", "test"]
    save_file({"own.weight": torch.zeros(2, 2)}, tmp_path / "o.safetensors")
    said = refused("evaluate", "--weights", "o.safetensors", *words[2:], cwd=tmp_path)
    assert "neither a card beside o.safetensors nor its names and shapes say which net it is: give --arch" in said
    assert dfkd("evaluate", *words, cwd=tmp_path).out.startswith("cifar10, 24 images of split test")
    val = [*words[:-1], "val", "--arch", "resnet8"]
    assert "but hold_out of cifar10 sets 2000 aside; --hold-out 0.2 takes a share" in refused(
        "evaluate", *val, cwd=tmp_path
    )
    share = dfkd("evaluate", *val, "--hold-out", "0.5", cwd=tmp_path)
    assert share.out.startswith("cifar10, 12 images of split val")
    (tmp_path / "t.yaml").write_text(TEN)
    done = dfkd("evaluate", *words[:2], "--task", "t.yaml", *words[4:6], "--arch", "resnet8", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0].endswith("; there is no teacher of this task here (--teacher)")
    assert done.out.splitlines()[1].split() == ["student"]
    assert (tmp_path / "reports" / "evaluation-s" / "evaluation.html").is_file()


def test_what_is_no_run_and_a_run_that_has_not_ended(run: Path, tmp_path: Path) -> None:
    none = tmp_path / "none"
    assert refused("evaluate", none) == (
        f"{none} holds no run: neither ledger.jsonl (of a study, or a `distill`) nor run.json (of one trial), "
        "and there is no such folder"
    )
    (tmp_path / "run.json").write_text("{")
    assert refused("evaluate", tmp_path).startswith(f"{tmp_path / 'run.json'}: cannot be read: ")
    shutil.copy(of(run) / "run.json", tmp_path)
    assert refused("evaluate", tmp_path, "--which", "best") == (
        f"{tmp_path / 'student_best.safetensors'}: there is none yet: the run has not ended; the same command, or "
        "resume, goes on"
    )


def test_a_students_own_folder_and_its_file_alone_are_enough(run: Path, evaluated: Done, tmp_path: Path) -> None:
    moved = shutil.copytree(of(run), tmp_path / "moved")
    shutil.rmtree(moved / "evaluation-last")
    done = dfkd("evaluate", moved, cwd=tmp_path)
    assert done.out.splitlines()[:-1] == evaluated.out.splitlines()[:-1]
    alone = shutil.copy(moved / "student.safetensors", tmp_path / "mine.safetensors")
    shutil.rmtree(moved)
    done = dfkd("evaluate", "--weights", alone, "--out", tmp_path / "again")
    assert done.out.splitlines()[2:-1] == evaluated.out.splitlines()[2:-1], "its card says task, net and normalisation"


def test_a_run_on_images_that_are_not_here_says_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "empty"))
    teacher = tmp_path / "teacher.safetensors"
    save_file(nets.build("resnet8", 10).state_dict(), teacher)
    words = ["noise_kd", "--task", "cifar10", "--weights", teacher, "--set", "teacher.arch=resnet8", *SHORT]
    assert dfkd("distill", *words, "--set", "student.arch=resnet8", "--out", tmp_path / "run").code == 0
    said = refused("evaluate", tmp_path / "run")
    assert "give --data DIR" in said
    assert not (of(tmp_path / "run") / "evaluation-last").exists()
    teacher.unlink()
    images, labels = gliders.draw(24, 5)
    npz = tmp_path / "ten.npz"
    np.savez(npz, images=images, labels=labels % 10)
    (tmp_path / "t.yaml").write_text(TEN)
    words = ["evaluate", tmp_path / "run", "--task", tmp_path / "t.yaml", "--data", npz]
    gone = f"the teacher is not there any more ({teacher}): --teacher FILE sets one beside the student"
    done = dfkd(*words)
    assert (done.code, done.out.splitlines()[0].partition("; ")[2]) == (0, gone)
    assert done.out.splitlines()[1].split() == ["student"]
    save_file(nets.build("resnet8", 10).state_dict(), teacher)
    other = f"{teacher} is not what it was when it taught this student, and is left out: --teacher FILE"
    assert dfkd(*words).out.splitlines()[0].partition("; ")[2] == other


def test_foreign_teachers_and_students_are_told_apart(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.safetensors"
    save_file(nets.build("resnet8", 12).state_dict(), other)
    done = dfkd("evaluate", run, "--teacher", other, "--out", tmp_path / "out")
    assert done.code == 0
    assert done.out.splitlines()[0].endswith("; that is not the teacher that taught it")
    save_file(nets.build("resnet8", 10).state_dict(), other)
    assert "10 classes, the task 12" in refused("evaluate", run, "--teacher", other)
    words = ["evaluate", "--weights", other, "--task", "gliders"]
    assert "10 classes, the task 12" in refused(*words, "--arch", "resnet8")
    assert refused(*words, "--arch", "resnet9").startswith("unknown net 'resnet9'; did you mean 'resnet8'?")
    said = refused(*words[:2], OWN, *words[3:], "--arch", "resnet20")
    assert said.startswith(f"{OWN} does not fit the net ")
    assert " missing: layer1.1.conv1.weight, " in said
    assert "unknown task 'glider'" in refused(*words[:3], "--task", "glider")


def test_the_folder_of_a_study_is_left_alone(run: Path, tmp_path: Path) -> None:
    (tmp_path / "trials.arrow").write_bytes(b"")
    assert refused("evaluate", run, "--out", tmp_path) == (f"{tmp_path} holds a study: name another folder with --out")
    (tmp_path / "trials.arrow").rename(tmp_path / "simulation.arrow")
    assert refused("evaluate", run, "--out", tmp_path).startswith(f"{tmp_path} holds a simulation: name another")
