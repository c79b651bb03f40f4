"""`teach`: a teacher from real images, where it goes, and who finds it there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.stats import degenerate
from tests.cli.commands import OWN_TASK, TINY, Done, dfkd, refused, sets

ROOT = Path(__file__).parents[2]
SCHEDULE = {key: value for key, value in TINY.items() if key.startswith("schedule")} | {"schedule.source_steps": 0}


@pytest.fixture(autouse=True)
def _nobodys_teachers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DFKD_RAY_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("DFKD_RAY_TEACHERS", raising=False)


def teach(squares: Path, folder: Path, *words: Any) -> Done:
    """`teach` on the task of one's own in `folder`, which has no images."""
    return dfkd("teach", squares / "squares.yaml", "--data", squares / "squares.npz", *words, cwd=folder)


def test_teach_then_distill_with_the_teacher_that_is_found(squares: Path, tmp_path: Path) -> None:
    distill = ["distill", "noise_kd", "--task", squares / "squares.yaml", "--data", squares / "squares.npz"]
    distill += [*sets(SCHEDULE), "--out", "run"]
    assert "the task squares ships no teacher" in refused(*distill, cwd=tmp_path)
    done = teach(squares, tmp_path)
    assert (done.code, done.err) == (0, "")
    epoch, wrote = done.out.splitlines()
    assert epoch.startswith("epoch 1/1  loss ")
    path = tmp_path / "teachers" / "squares_resnet8.safetensors"
    card = json.loads(path.with_suffix(".json").read_text())
    shares = ", ".join(f"{which} {100 * card['accuracy'][which]:.1f} %" for which in ("train", "val", "test"))
    assert wrote.startswith(f"wrote {path.relative_to(tmp_path)} and its card: resnet8 on squares, accuracy {shares}, ")
    done = dfkd(*distill, cwd=tmp_path)
    assert done.code == 0
    assert f"the teacher is {path}\n" in done.out
    assert "input normalised by the card beside squares_resnet8.safetensors" in done.out
    assert f"(seed 0; chance 50.0 %, teacher {100 * card['accuracy']['test']:.1f} %)" in done.out


STUDY = """
study: s
method: noise_kd
task: {task}
fixed: {{schedule.epochs: 1, schedule.rounds: 1, schedule.student_steps: 1, schedule.batch: 4}}
objective: {{metric: kl/noise, mode: min}}
search: {{student_loss.kd.temperature: {{choice: [1, 4]}}}}
budget: {{trials: 1}}
"""


def test_a_study_takes_it_too_and_goes_on_from_anywhere(
    squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(degenerate, "RULES", ())  # noise is one image to this teacher, and may win all the same
    (tmp_path / "study.yaml").write_text(STUDY.format(task=squares / "squares.yaml"))
    sweep = ["sweep", "study.yaml", "--runner", "serial", "--out", "out"]
    assert "the task squares ships no teacher" in refused(*sweep, cwd=tmp_path)
    teach(squares, tmp_path)
    done = dfkd(*sweep, cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert f"\nthe teacher is {tmp_path / 'teachers' / 'squares_resnet8.safetensors'}\n" in done.out
    assert dfkd("resume", tmp_path / "out").code == 0, "where there is no such teacher"


def test_the_same_command_says_that_the_teacher_is_there(squares: Path, tmp_path: Path) -> None:
    first = teach(squares, tmp_path)
    again = teach(squares, tmp_path)
    assert again.out == first.out.splitlines()[-1].replace("wrote ", "", 1).replace(" and its card", " is there") + "\n"
    said = teach(squares, tmp_path, "--epochs", 2)
    assert (said.code, "recipe.epochs 1 there, 2 here" in said.err) == (2, True)
    anew = teach(squares, tmp_path, "--epochs", 2, "--fresh")
    assert [line.split()[1] for line in anew.out.splitlines() if line.startswith("epoch")] == ["1/2", "2/2"]


KILLED = """
import os, signal
replaced, times = os.replace, []
def killed(source, target):
    times.append(target)
    if len(times) == 2:  # the second checkpoint is written, and not yet in place
        os.kill(os.getpid(), signal.SIGKILL)
    replaced(source, target)
os.replace = killed
from dfkd_ray.cli import main
main()
"""


def test_killed_and_run_again_it_ends_in_the_same_bits(squares: Path, tmp_path: Path) -> None:
    words = ["teach", str(squares / "squares.yaml"), "--data", str(squares / "squares.npz"), "--epochs", "3"]
    words += ["--set", "recipe.augment=crop_flip", "--out"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    code = [sys.executable, "-c", KILLED, *words, str(tmp_path / "killed.safetensors")]
    dead = subprocess.run(code, env=env, capture_output=True, text=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    assert dead.stdout.startswith("epoch 1/3")
    assert len(list(tmp_path.glob(".killed.checkpoint.*"))) == 1
    for name in ("killed", "whole"):
        done = dfkd(*words, tmp_path / f"{name}.safetensors")
        assert [line.split()[1] for line in done.out.splitlines()[:-1]] == ["1/3", "2/3", "3/3"]
    assert (tmp_path / "killed.safetensors").read_bytes() == (tmp_path / "whole.safetensors").read_bytes()
    assert not [path for path in tmp_path.iterdir() if "checkpoint" in path.name]


def test_ctrl_c_that_a_library_makes_something_else_of_ends_with_130_too(
    squares: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def saving(*args: object, **options: object) -> None:
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("unexpected pos 532686 vs 532656") from None

    monkeypatch.setattr("dfkd_ray.teachers.teach", saving)
    stopped = dfkd("teach", "squares.yaml", "--seed", "3", cwd=squares)
    assert (stopped.code, stopped.err) == (130, "interrupted; resume with: dfkd-ray teach squares.yaml --seed 3\n")


def test_ctrl_c_ends_with_130_and_the_command_that_goes_on(squares: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dfkd_ray.teachers.teach", lambda *args, **options: signal.raise_signal(signal.SIGINT))
    stopped = dfkd("teach", "squares.yaml", "--fresh", "--seed", "3", cwd=squares)
    assert (stopped.code, stopped.err) == (130, "interrupted; resume with: dfkd-ray teach squares.yaml --seed 3\n")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "recipe.rate=1"], "--set: no such path 'recipe.rate'; did you mean 'recipe."),
        (["--set", "lr=1"], "--set: no such path 'lr'"),
        (["--set", "recipe.lr=-1"], "recipe: lr must be > 0, got -1"),
        (["--set", "recipe.lr=x"], "recipe.lr: should be a valid number, got 'x'"),
        (["--epochs", "0"], "recipe: epochs must be > 0, got 0"),
        (["--init", "imagenet"], "pretrained: resnet8 has no ImageNet weights; those that have: resnet18, "),
        (["--out", "t.pt"], "t.pt: a teacher is written as .safetensors"),
    ],
)
def test_mistakes_are_told_before_anything_is_read(
    squares: Path, tmp_path: Path, words: list[str], message: str
) -> None:
    said = refused("teach", squares / "squares.yaml", *words, cwd=tmp_path)
    assert message in said
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_mistake_in_a_task_of_ones_own_has_its_line(tmp_path: Path) -> None:
    (tmp_path / "task.yaml").write_text(OWN_TASK.replace("std: [0.3]", "std: [0]").replace("lr: 0.01", "lr: -1"))
    said = refused("teach", "task.yaml", cwd=tmp_path)
    assert "task.yaml:10: recipe: lr must be > 0, got -1" in said


def test_a_tracker_has_each_epoch_of_a_teacher_once(squares: Path, tmp_path: Path) -> None:
    """A training that was stopped after its last epoch tells all of them again."""
    loader = pytest.importorskip("tensorboard.backend.event_processing.event_file_loader")
    words = ["--track", "tensorboard", "--epochs", 3]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules["dfkd_ray.teachers.teach"], "measure_batch_norms", _interrupted)
        assert teach(squares, tmp_path, *words).code == 130
    assert teach(squares, tmp_path, *words).code == 0
    assert "is there" in teach(squares, tmp_path, *words).out
    (folder,) = (tmp_path / "teachers" / "squares_resnet8.tracked" / "tensorboard").iterdir()
    found = [
        (value.tag, event.step)
        for file in folder.iterdir()
        for event in loader.EventFileLoader(str(file)).Load()
        for value in event.summary.value
    ]
    each = [(name, epoch) for epoch in (1, 2, 3) for name in ("loss", "val_accuracy")]
    final = [(f"accuracy/{which}", 3) for which in ("test", "train", "val")]
    assert sorted(found) == sorted([*each, *final, ("_hparams_/session_start_info", 0)])
    told = refused("teach", squares / "squares.yaml", "--track", "optuna", cwd=tmp_path)
    assert told == "--track: optuna is for studies: a teacher has no trials"


def _interrupted(*words: Any) -> None:
    raise KeyboardInterrupt
