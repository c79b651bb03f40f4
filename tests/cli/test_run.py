"""`distill`: one run, its folder, and what happens when it is stopped on the way."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from dfkd_ray import datasets, nets
from dfkd_ray.methods import config
from dfkd_ray.runs import distillation
from dfkd_ray.runs.card import RunCard
from dfkd_ray.runs.checkpoint import Checkpoint
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import tables
from dfkd_ray.util.store import Store
from tests.cli import commands
from tests.cli.commands import HELD_OUT, SPLITS, Done, dfkd, refused, sets

ROOT = Path(__file__).parents[2]
TINY = {**commands.TINY, "schedule.epochs": 3}
TEACHER = datasets.load("gliders").teacher.test_accuracy
STUDENTS = ("student.safetensors", "student_best.safetensors")


def distill(folder: Path, *words: Any, method: str = "dfkd_fgvc") -> Done:
    return dfkd("distill", method, *sets(TINY if method == "dfkd_fgvc" else {}), "--out", folder, *words)


def students(folder: Path) -> dict[str, bytes]:
    return {name: (folder / "trials" / "0000" / name).read_bytes() for name in STUDENTS}


def values(folder: Path) -> list[dict[str, Any]]:
    """The rows of steps.arrow, without their seconds."""
    return tables.read(folder / "steps.arrow").drop_columns(["seconds"]).to_pylist()


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Done]:
    folder = tmp_path_factory.mktemp("runs") / "finished"
    return folder, distill(folder)


def test_it_says_what_it_does_and_what_came_out(finished: tuple[Path, Done]) -> None:
    folder, done = finished
    assert (done.code, done.err) == (0, "")
    first, teacher, *epochs, warning, ending, where, page = done.out.splitlines()
    assert first == "dfkd_fgvc on gliders: resnet8 -> resnet8, 3 epochs, seed 0; input normalised by the task"
    assert teacher == "the teacher is gliders_resnet8.safetensors, as shipped"
    assert warning.startswith("warning: the synthetic images are degenerate (")
    assert warning.endswith("one class): an agreement on them says nothing")
    assert [line.split()[:2] for line in epochs] == [["epoch", "1/3"], ["epoch", "2/3"], ["epoch", "3/3"]]
    for line in epochs:
        for word in ("val", "agreement", "class_entropy", "source loss", "student loss"):
            assert f"  {word} " in line
        assert line.endswith(" s")
    assert len({len(line) for line in epochs}) == 1, "in columns"
    assert ending.startswith("test accuracy ")
    assert ending.endswith(f"the best by validation (seed 0; chance 8.3 %, teacher {100 * TEACHER:.1f} %)")
    assert where == f"student, curves and images are in {folder / 'trials' / '0000'}"
    assert page == f"page: {folder / 'report.html'}"


def test_its_page_is_that_of_a_single_run(finished: tuple[Path, Done]) -> None:
    page = (finished[0] / "report.html").read_text(encoding="utf-8")
    for section in ("summary", "settings", "learning-curves", "images", "numbers", "provenance"):
        assert f'<section id="{section}"' in page
    assert "flattered by chance" not in page
    assert "seed 0: validation accuracy" in page


def test_its_method_is_shown_as_yaml_that_is_distilled_again(finished: tuple[Path, Done], tmp_path: Path) -> None:
    folder, card = finished[0], RunCard.read(finished[0] / "trials" / "0000")
    done = dfkd("show", folder)
    assert (done.code, done.err) == (0, "")
    assert [line for line in done.out.splitlines() if line.startswith("#")] == [
        f"# study: {card.study}",
        "# trial: 0",
        "# seed: 0",
        f"# fingerprint: {card.fingerprint}",
        "# task: gliders",
        f"# teacher: resnet8, digest {card.teacher_digest}",
        "# student: resnet8",
        "# versions: " + ", ".join(f"{name} {version}" for name, version in card.versions.items()),
    ]
    copy = tmp_path / "again.yaml"
    copy.write_text(done.out, encoding="utf-8")
    assert config.load(str(copy)) == card.method


def test_it_leaves_what_a_trial_and_a_study_leave(finished: tuple[Path, Done]) -> None:
    folder, done = finished
    assert sorted(path.name for path in folder.iterdir()) == [
        *("images.arrow", "ledger.jsonl", "ledger.lock", "pictures", "report.html"),
        *("steps.arrow", "trials", "trials.arrow"),
    ]
    run = folder / "trials" / "0000"
    assert sorted(path.name for path in run.iterdir()) == [
        "curve.json",
        *(f"images_000{epoch}.webp" for epoch in (1, 2, 3)),
        "run.json",
        *STUDENTS,
    ]
    student = nets.build("resnet8", 12)
    student.load_state_dict(load_file(run / "student.safetensors"))
    umask = os.umask(0)
    os.umask(umask)
    assert {(run / name).stat().st_mode & 0o777 for name in STUDENTS} == {0o666 & ~umask}, "not for us alone"
    picture = Image.open(run / "images_0001.webp")
    assert picture.format == "WEBP"
    assert picture.width == 2 * picture.height, "four rows of eight"
    steps = tables.read(folder / "steps.arrow")
    curve = {row["epoch"]: row["value"] for row in steps.to_pylist() if row["metric"] == "val_accuracy"}
    shown = [float(line.split()[3].rstrip("%")) for line in done.out.splitlines() if line.startswith("epoch")]
    assert [round(100 * curve[epoch], 1) for epoch in (1, 2, 3)] == shown
    assert [row["metrics"]["val_accuracy"] for row in json.loads((run / "curve.json").read_text())] == [
        curve[epoch] for epoch in (1, 2, 3)
    ]


def test_its_card_says_all_of_it(finished: tuple[Path, Done]) -> None:
    folder, _ = finished
    card = RunCard.read(folder / "trials" / "0000")
    resolved = config.change(config.load("dfkd_fgvc"), TINY)
    assert (card.method, card.task, card.seed, card.changes) == (resolved, datasets.load("gliders"), 0, {})
    assert (card.study, card.name, card.metric, card.data) == ("finished", "finished", "val_accuracy", None)
    (row,) = tables.read(folder / "trials.arrow").to_pylist()
    assert (row["fingerprint"], config.parse(json.loads(row["method"]))) == (card.fingerprint, resolved)
    task = tables.metadata(tables.read(folder / "steps.arrow"))["task"]
    assert task["teacher"] == {"arch": "resnet8", "test_accuracy": TEACHER, "digest": card.teacher_digest}


def test_the_same_command_again_runs_nothing_twice(
    finished: tuple[Path, Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, first = finished
    before, rows = students(folder), values(folder)
    monkeypatch.setattr("dfkd_ray.train.run.Run.step", lambda *args: pytest.fail("a step was taken"))
    again = distill(folder)
    assert again.code == 0
    lines = again.out.splitlines()
    assert lines.pop(2) == f"{folder} holds this run already: what is done is not run again"
    assert lines == [line for line in first.out.splitlines() if not line.startswith("epoch")]
    assert students(folder) == before
    assert values(folder) == rows


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["--seed", "3"], ["the seed: 0 there, 3 here"]),
        (
            ["--set", "student.optimizer.lr=0.5"],
            ["the method dfkd_fgvc: {METHOD} there, [0-9a-f]{12} here; student.optimizer.lr 0.01 there, 0.5 here"],
        ),
        (
            ["--task", "digits", "--weights", "{digits}"],
            [
                "the teacher: {TEACHER} \\(resnet8, gliders_resnet8.safetensors\\) there, "
                "[0-9a-f]{12} \\(resnet8, .*digits.safetensors\\) here",
                'the task: [0-9a-f]{12} \\(gliders\\) there, [0-9a-f]{12} \\(digits\\) here; name "gliders" there, '
                '"digits" here; reader .* and [0-9]+ more',
            ],
        ),
    ],
)
def test_the_folder_of_another_run_is_refused(
    words: list[str], lines: list[str], finished: tuple[Path, Done], tmp_path: Path
) -> None:
    folder, _ = finished
    weights = tmp_path / "digits.safetensors"
    save_file(nets.build("resnet8", 10, 1).state_dict(), weights)
    before = students(folder)
    card = RunCard.read(folder / "trials" / "0000")
    own = {"{METHOD}": card.fingerprint[:12], "{TEACHER}": card.teacher_digest[:12]}
    said = refused(
        "distill",
        "dfkd_fgvc",
        "--accept-changes",
        *sets({k: v for k, v in TINY.items() if not (words[0] == "--set" and k in words[1])}),
        "--out",
        folder,
        *(word.format(digits=weights) for word in words),
    )
    first, *told, last = said.splitlines()
    assert (first, last) == (f"{folder} was begun as another experiment:", "name another folder with --out")
    for line, expected in zip(told, lines, strict=True):
        for word, value in own.items():
            expected = expected.replace(word, value)
        assert re.fullmatch(f"  {expected}", line)
    assert students(folder) == before


def test_a_folder_with_anything_else_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("do not touch")
    said = refused("distill", "noise_kd", "--out", tmp_path)
    assert said == f"{tmp_path} exists and holds no run: name another folder with --out"
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_folder_has_a_name_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distillation.Distillation, "epochs", lambda self, job: (_ for _ in ()))
    done = dfkd("distill", "noise_kd", "--seed", "7", cwd=tmp_path)  # no row: the run is not what this is about
    assert done.code == 3
    folder = "reports/noise_kd-gliders-seed7"
    way = f"(once that is mended: dfkd-ray resume {folder} --failed)"
    assert done.err == f"error: the run failed: the work ended without a last row\n{way}\n"
    assert (tmp_path / "reports" / "noise_kd-gliders-seed7" / "ledger.jsonl").exists()


def test_mistakes_in_set_are_all_reported() -> None:
    words = ["--set", "a.b=1", "--set", "schedule.epochs=0", "--set", "student_loss.kd.temperature=x"]
    assert refused("distill", "noise_kd", *words).splitlines() == [
        "3 mistakes",
        "  a.b: there is no 'a' in a method "
        "(known: memory, schedule, source, source_loss, student, student_loss, teacher, views)",
        "  schedule.epochs: epochs must be at least 1, got 0",
        "  student_loss.kd.temperature: should be a valid number, got 'x'",
    ]
    assert refused("distill", "noise_kd", "--set", "schedule.epoch=1").startswith(
        "schedule.epoch: there is no 'epoch' in schedule; did you mean 'epochs'? (known: "
    )
    assert refused("distill", "noise_kd", "--set", "schedule.epochs") == (
        "--set: expected path=value, got 'schedule.epochs'"
    )


def test_a_foreign_teacher_is_told_apart_key_by_key(tmp_path: Path) -> None:
    foreign = nets.build("resnet20", 10).state_dict()
    path = tmp_path / "foreign.pt"
    torch.save({**foreign, "conv1.weight": torch.zeros(16, 1, 3, 3)}, path)
    words = [
        "distill",
        "noise_kd",
        "--task",
        "gliders",
        "--teacher-arch",
        "resnet8",
        "--weights",
        path,
        "--out",
        tmp_path / "run",
    ]
    said = refused(*words).splitlines()
    assert said[0].startswith(f"{path} does not fit the net ")
    kinds = dict(line.strip().split(": ", 1) for line in said[1:] if ": " in line)
    unexpected = next(keys for what, keys in kinds.items() if what.endswith(" unexpected"))
    assert "layer1.1.conv1.weight" in unexpected
    shapes = next(keys for what, keys in kinds.items() if what.endswith(" of another shape"))
    assert "linear.weight (10, 64) in the file, (12, 64) in the net" in shapes
    assert "conv1.weight (16, 1, 3, 3) in the file, (16, 3, 3, 3) in the net" in shapes
    assert not (tmp_path / "run").exists()
    torch.save({"linear.weight": torch.zeros(12, 64)}, path)
    assert " missing: conv1.weight, " in refused(*words)
    path.write_bytes(b"no weights")
    assert refused(*words).startswith(f"{path}: neither safetensors nor a file of torch.save, or damaged")


# ---- stopped on the way

KILLED = """
import os, signal
from dfkd_ray.runs import measures
from dfkd_ray.datasets import gliders
gliders.SPLITS, measures.HELD_OUT = {splits}, {held_out}
replaced, times = os.replace, []
def killed(source, target):
    times.append(str(target).endswith("checkpoint.pt"))
    if sum(times) == 2:  # the second checkpoint is written, and not yet in place
        os.kill(os.getpid(), signal.SIGKILL)
    replaced(source, target)
os.replace = killed
from dfkd_ray.cli import main
main()
"""


def test_killed_and_run_again_it_ends_in_the_same_bits(finished: tuple[Path, Done], tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    code = KILLED.format(splits=SPLITS, held_out=HELD_OUT)
    words = ["distill", "dfkd_fgvc", *sets(TINY), "--out", str(folder)]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    dead = subprocess.run([sys.executable, "-c", code, *words], env=env, capture_output=True, text=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert [record["epoch"] for record in read_records(folder / NAME)[0] if record["kind"] == "row"] == [1]
    assert not (folder / "trials" / "0000" / "student.safetensors").exists()
    again = distill(folder)
    assert again.code == 0
    assert "holds this run already" in again.out
    assert students(folder) == students(finished[0])
    assert values(folder) == values(finished[0])
    assert not list(folder.rglob(".*")), "no file of the killed process is left over"


@contextmanager
def interrupted_at_epoch_2() -> Iterator[None]:
    """Ctrl-C (a real signal) before the second checkpoint is written."""
    save = Checkpoint.save

    def interrupting(checkpoint: Checkpoint, row: Any) -> None:
        if row.epoch == 2:
            signal.raise_signal(signal.SIGINT)
        save(checkpoint, row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", interrupting)
        yield


def test_ctrl_c_ends_with_130_and_the_command_that_goes_on(finished: tuple[Path, Done], tmp_path: Path) -> None:
    folder = tmp_path / "my run"
    with interrupted_at_epoch_2():
        stopped = distill(folder)
    assert stopped.code == 130
    words = " ".join(sets(TINY))
    assert stopped.err == f"interrupted; resume with: dfkd-ray distill dfkd_fgvc {words} --out '{folder}'\n"
    assert stopped.out.splitlines()[-1].startswith("epoch 1/3")
    assert distill(folder).code == 0
    assert students(folder) == students(finished[0])


# ---- a task of one's own


def test_what_was_said_when_it_began_holds_again_and_another_precision_is_another_run(tmp_path: Path) -> None:
    folder = tmp_path / "half"
    with interrupted_at_epoch_2():
        assert distill(folder, "--precision", "bfloat16", "--threads", "1").code == 130
    again = distill(folder, "--precision", "mixed")
    begun = (
        "half was begun in bfloat16: its trials cannot be compared with others in mixed, which would be a study of its"
    )
    assert (again.code, again.err) == (2, f"error: {begun} own\n")
    assert distill(folder).code == 0
    told = [record["options"] for record in read_records(folder / NAME)[0] if "options" in record]
    assert [(each["precision"], each["threads"]) for each in told] == [("bfloat16", 1)] * 2


def test_without_real_images_it_says_so_before_it_starts(squares: Path) -> None:
    path = squares / "teacher.safetensors"
    save_file(nets.build("resnet8", 2, 1).state_dict(), path)
    words = ["noise_kd", "--task", squares / "squares.yaml", "--weights", path, "--out", squares / "blind"]
    done = dfkd("distill", *words, "--set", "schedule={epochs: 1, rounds: 1, student_steps: 1, batch: 4}")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[1] == f"the teacher is {path}"
    assert lines[2] == "no real images of squares here, so no accuracies (--data); data-free metrics alone"
    assert lines[3].startswith("epoch 1/1  agreement ")
    assert lines[4].startswith("warning: the synthetic images are degenerate (")
    assert lines[5].startswith("agreement with the teacher ")
    assert lines[5].endswith(" on held-out synthetic images (seed 0); no real images to evaluate on: give --data")


def test_damaged_data_is_an_error_before_the_first_epoch(squares: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "half.npz", images=np.zeros((4, 16, 16), "uint8"))
    path = tmp_path / "teacher.safetensors"
    save_file(nets.build("resnet8", 2, 1).state_dict(), path)
    words = ["noise_kd", "--task", squares / "squares.yaml", "--weights", path, "--data", tmp_path / "half.npz"]
    said = refused("distill", *words, "--out", tmp_path / "run")
    assert said == f"{tmp_path / 'half.npz'}: there is images but no labels"
    assert not (tmp_path / "run").exists()


# ---- the same experiment, or none


def test_the_same_images_elsewhere_are_the_same_and_others_are_refused_or_marked(squares: Path, tmp_path: Path) -> None:
    weights, data = tmp_path / "t.safetensors", tmp_path / "squares.npz"
    save_file(nets.build("resnet8", 2, 1).state_dict(), weights)
    shutil.copy(squares / "squares.npz", data)
    schedule = "schedule={epochs: 2, rounds: 1, student_steps: 1, batch: 4}"
    words = ["distill", "noise_kd", "--task", squares / "squares.yaml", "--weights", weights, "--set", schedule]
    words += ["--out", tmp_path / "run"]
    with interrupted_at_epoch_2():
        assert dfkd(*words, "--data", squares / "squares.npz").code == 130
    with np.load(data) as arrays:
        changed = {**arrays, "test_labels": 1 - arrays["test_labels"]}
    other = tmp_path / "other.npz"
    np.savez(other, **changed)
    said = refused(*words, "--data", other).splitlines()
    assert [line.partition(": ")[0] for line in said[1:3]] == [
        "  the images to validate on",
        "  the images to test on",
    ]
    assert said[-1] == "name another folder with --out, or go on all the same with --accept-changes"
    assert "--accept-changes" not in refused(*words, "--data", other, "--seed", "1", "--accept-changes")
    with interrupted_at_epoch_2():
        assert dfkd(*words, "--data", data).code == 130, "elsewhere, the same bytes"
    done = dfkd(*words, "--data", other, "--accept-changes")
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(
        "every trial from here on is marked, since it is run with other inputs: the images to val"
    )
    assert "the images to test on (" in tables.read(tmp_path / "run" / "trials.arrow")["changed"][0].as_py()
    assert "Other inputs than the study began with" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def test_a_task_file_that_was_edited_is_another_experiment(squares: Path, tmp_path: Path) -> None:
    task, weights = tmp_path / "squares.yaml", tmp_path / "t.safetensors"
    task.write_text((squares / "squares.yaml").read_text())
    save_file(nets.build("resnet8", 2, 1).state_dict(), weights)
    words = ["distill", "noise_kd", "--task", task, "--weights", weights, "--out", tmp_path / "run"]
    words += ["--set", "schedule={epochs: 2, rounds: 1, student_steps: 1, batch: 4}"]
    with interrupted_at_epoch_2():
        assert dfkd(*words).code == 130
    task.write_text(task.read_text().replace("std: [0.3]", "std: [0.25]"))
    assert re.search(r"\n  the task: .*; std.0 0.3 there, 0.25 here\n", refused(*words))
    assert re.search(r"\n  the task: .*; std.0 0.3 there, 0.25 here\n", refused("resume", tmp_path / "run"))
    task.unlink()
    assert dfkd("resume", tmp_path / "run").code == 0, "the ledger has the task"


def test_a_run_in_a_store_goes_on_on_another_machine(
    finished: tuple[Path, Done], bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "one")
    with interrupted_at_epoch_2():
        stopped = distill(bucket)
    assert stopped.code == 130
    assert f"--out {bucket}" in stopped.err.splitlines()[-1]
    monkeypatch.chdir(tmp_path / "two")
    done = dfkd("resume", bucket)
    assert (done.code, done.err) == (0, "")
    copy = Path("reports", *bucket.replace("://", "/").split("/"))
    assert values(copy) == values(finished[0])
    assert students(copy) == students(finished[0])
    assert {"report.html", "trials/0000/run.json"} <= {*Store(bucket).names()}
    monkeypatch.chdir(tmp_path / "one")
    again = distill(bucket)
    assert again.code == 0
    assert "holds this run already" in again.out
    assert "epoch" not in [line.split()[0] for line in again.out.splitlines()]
    assert students(copy) == students(finished[0])


def test_a_tracker_that_comes_late_has_all_of_a_run_and_the_ledger_no_password(
    finished: tuple[Path, Done], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(finished[0], folder)
    tracks = ("--track", "tensorboard", "--track", "optuna", "--track", "mlflow:http://me:open-sesame@127.0.0.1:1")
    done = dfkd("resume", folder, *tracks)
    assert done.code == 0
    assert "open-sesame" not in done.out + done.err
    assert [line[:17] for line in done.err.splitlines()] == ["warning: mlflow: ", "warning: mlflow: "]
    assert done.err.endswith(f"still away; what it lacks is sent by: dfkd-ray resume {folder}\n")
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    (events,) = (folder / "tensorboard" / "trial-0000").iterdir()
    values_of = [value for event in loader.EventFileLoader(str(events)).Load() for value in event.summary.value]
    found = [value.tensor.float_val[0] for value in values_of if value.tag == "val_accuracy"]
    wanted = [row["value"] for row in values(folder) if row["metric"] == "val_accuracy"]
    assert found == pytest.approx(wanted)
    import optuna

    (trial,) = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'optuna.db'}").trials
    assert [trial.intermediate_values[epoch] for epoch in (1, 2, 3)] == wanted
    record = read_records(folder / NAME)[0][-2]
    assert record["options"]["track"] == ["tensorboard", "optuna", "mlflow:http://REDACTED@127.0.0.1:1"]
    for path in (path for path in folder.rglob("*") if path.is_file()):
        assert b"open-sesame" not in path.read_bytes(), path


def test_an_unknown_tracker_is_refused_before_all_else(tmp_path: Path) -> None:
    told = refused("distill", "dfkd_fgvc", "--out", tmp_path / "run", "--track", "wandbb")
    known = "mlflow, optuna, tensorboard, wandb"
    assert told == f"--track: unknown tracker 'wandbb'; did you mean 'wandb'? (known: {known})"
