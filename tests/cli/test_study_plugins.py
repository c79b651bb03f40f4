"""A loss of one's own from a file to the page: under Ray, after a kill, changed, moved, and failing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from dfkd_ray.runs import own_code, plugins
from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import tables
from tests.cli.commands import ROOT, dfkd, ended, few_images, interrupted, process, refused

MINE = """from dataclasses import dataclass

from dfkd_ray import register
from beside import half


@register.loss("own_l1")
@dataclass(frozen=True)
class OwnL1:
    \"\"\"L = mean |teacher - student|^p / 2.

    power: p
    \"\"\"

    power: float = 1.0

    def __call__(self, signals):
        return half((signals.teacher.logits - signals.student.logits).abs().pow(self.power).mean())
"""
BESIDE = "def half(x):\n    return x / 2\n"
STUDY = """study: own
plugins: [mine.py]
method: noise_kd
task: gliders
fixed: {schedule.epochs: 2, schedule.rounds: 1, schedule.student_steps: 1, schedule.batch: 4}
objective: {metric: val_accuracy}
search: {student_loss.own_l1: {choice: [{power: 1.0}, {power: 2.0}]}}
sampler: grid
"""
SERIAL = ("--runner", "serial")


def written(folder: Path) -> Path:
    for name, text in {"mine.py": MINE, "beside.py": BESIDE, "own.yaml": STUDY}.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    with few_images():
        yield written(tmp_path)
    forgotten()


def forgotten() -> None:
    """As in another process."""
    for name in ("mine", "beside"):
        plugins.drop(name)


def rows(home: Path) -> list[tuple[int, int]]:
    """Trial and epoch of each row in the ledger."""
    ledger = home / "reports" / "own" / NAME
    found = read_records(ledger)[0] if ledger.exists() else []
    return [(record["trial"], record["epoch"]) for record in found if record["kind"] == "row"]


@pytest.fixture(scope="module")
def survivor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where a study under Ray has lost its driver to kill -9 after an epoch, and was gone on with."""
    home = written(tmp_path_factory.mktemp("survivor"))
    (home / "own.yaml").write_text(STUDY.replace("epochs: 2", "epochs: 3"))
    driver = process("sweep", "own.yaml", "--concurrency", 1, cwd=home)
    deadline = time.monotonic() + 400
    while not rows(home) and driver.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    driver.kill()
    assert driver.wait() == -9, "it was at work"
    assert 1 <= len(rows(home)) < 6
    done = ended(process("resume", "reports/own", cwd=home))
    assert done.code == 0, done.err
    return home


@pytest.mark.slow
@pytest.mark.ray
def test_nothing_is_lost_or_run_twice_where_the_driver_was_killed(survivor: Path) -> None:
    assert Counter(rows(survivor)) == dict.fromkeys(((trial, epoch) for trial in (0, 1) for epoch in (1, 2, 3)), 1)
    states = [row["state"] for row in tables.read(survivor / "reports" / "own" / "trials.arrow").to_pylist()]
    assert states == ["complete", "complete"]


@pytest.mark.slow
@pytest.mark.ray
def test_a_worker_of_ray_has_what_stands_in_no_folder_of_its(survivor: Path) -> None:
    home = survivor
    history = read_history(home / "reports" / "own")
    assert history.study.plugins == (str(home / "mine.py"),)
    own = {"name": "mine", **history.experiment["parts"]["the code mine"]}
    assert history.provenance["plugins"] == [own]
    assert own["said"] == f"{home / 'beside.py'}, {home / 'mine.py'}"


@pytest.mark.parametrize("how", ["--plugin", "import"])
def test_without_a_word_in_the_study_its_file_is_named_or_imported(home: Path, how: str) -> None:
    (home / "own.yaml").write_text(STUDY.replace("plugins: [mine.py]\n", "").replace("epochs: 2", "epochs: 1"))
    words = ["sweep", "own.yaml", *SERIAL]
    if how == "--plugin":
        assert dfkd(*words, "--plugin", "mine.py", cwd=home).code == 0
    else:
        few = "from tests.cli.commands import few_images; few = few_images(); few.__enter__()"
        code = f"import mine, sys; sys.argv = {['dfkd-ray', *words]!r}; {few}; from dfkd_ray.cli import main; main()"
        own = {**os.environ, "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", code], cwd=home, env=own, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    states = [row["state"] for row in tables.read(home / "reports" / "own" / "trials.arrow").to_pylist()]
    assert states == ["complete", "complete"]
    assert "the code mine" in read_history(home / "reports" / "own").experiment["parts"]


def test_it_goes_on_after_an_interrupt_as_the_code_that_it_was(home: Path) -> None:
    with interrupted(saves=3):
        assert dfkd("sweep", "own.yaml", *SERIAL, cwd=home).code == 130
    there = plugins.facts(["mine"])[0]["digest"]
    (home / "beside.py").write_text(BESIDE.replace("2", "20"))
    said = refused("resume", "reports/own", cwd=home)
    here = own_code.digest("mine")
    files = f"({home / 'beside.py'}, {home / 'mine.py'})"
    assert said.startswith(
        "reports/own was begun as another experiment:\n"
        f"  the code mine: {there[:12]} {files} there, {here[:12]} {files} here\nbring back"
    )
    (home / "beside.py").write_text(BESIDE)
    (home / "moved").mkdir()
    for name in ("mine.py", "beside.py"):
        (home / name).rename(home / "moved" / name)
    assert refused("resume", "reports/own", cwd=home) == f"{home}/mine.py: there is no such file"
    forgotten()
    assert dfkd("resume", "reports/own", "--plugin", "moved/mine.py", cwd=home).code == 0
    rows = tables.read(home / "reports" / "own" / "trials.arrow").to_pylist()
    assert [row["state"] for row in rows] == ["complete", "complete"]
    forgotten()
    shown = dfkd("show", "reports/own", "--trial", "0", cwd=home)
    assert (shown.code, "own_l1" in shown.out) == (0, True), "the ledger knows where the plug-in is now"


def test_trials_are_taken_over_by_the_same_code_alone(home: Path) -> None:
    def reused(folder: str) -> list[bool]:
        assert dfkd("sweep", "own.yaml", *SERIAL, "--out", folder, "--reuse", "reports/own", cwd=home).code == 0
        return [
            (row["reason"] or "").startswith("reused")
            for row in tables.read(home / folder / "trials.arrow").to_pylist()
        ]

    assert dfkd("sweep", "own.yaml", *SERIAL, cwd=home).code == 0
    assert reused("same") == [True, True]
    (home / "beside.py").write_text(BESIDE.replace("2", "20"))
    forgotten()
    assert reused("other") == [False, False]


def test_a_loss_that_fails_in_a_trial_names_its_line(home: Path) -> None:
    (home / "beside.py").write_text("def half(x):\n    return x / {}\n")
    done = dfkd("sweep", "own.yaml", *SERIAL, cwd=home)
    assert done.code == 3
    assert f"{home / 'beside.py'}:2 in half" in (home / "reports" / "own" / "ledger.jsonl").read_text()
    assert "TypeError: unsupported operand" in done.out + done.err


def test_mistakes_are_told_with_the_line_of_the_study_or_of_the_file(home: Path) -> None:
    study = home / "own.yaml"
    study.write_text(STUDY.replace("mine.py", "mien.py"))
    assert refused("validate", "own.yaml", cwd=home) == (
        "own.yaml:2: plugins.0: mien.py: there is no such file; did you mean 'mine.py'?"
    )
    study.write_text(STUDY.replace("[mine.py]", "{mine: 1}"))
    assert (
        refused("validate", "own.yaml", cwd=home)
        .partition("\n")[2]
        .strip()
        .startswith("own.yaml:2: plugins: expected a list of files, folders or modules")
    )
    study.write_text(STUDY.replace("plugins: [mine.py]\n", ""))
    assert "unknown loss term 'own_l1'" in refused("validate", "own.yaml", cwd=home)
    assert dfkd("validate", "own.yaml", "--plugin", "mine.py", cwd=home).code == 0
