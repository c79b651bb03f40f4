"""A loss of one's own from a file to the page: under Ray, after a kill, changed, moved, and failing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dfkd_ray.runs import own_code, plugins
from dfkd_ray.tune.history import read_history
from dfkd_ray.util import tables
from tests.cli.commands import dfkd, ended, few_images, interrupted, process, refused

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


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    for name, text in {"mine.py": MINE, "beside.py": BESIDE, "own.yaml": STUDY}.items():
        (tmp_path / name).write_text(text)
    with few_images():
        yield tmp_path
    forgotten()


def forgotten() -> None:
    """As in another process."""
    for name in ("mine", "beside"):
        plugins.drop(name)


@pytest.mark.ray
def test_a_worker_of_ray_has_what_stands_in_no_folder_of_its(home: Path) -> None:
    few = STUDY.replace("{power: 1.0}, {power: 2.0}", "{power: 2.0}").replace("epochs: 2", "epochs: 1")
    (home / "own.yaml").write_text(few)
    done = ended(process("sweep", "own.yaml", cwd=home))
    assert done.code == 0, done.err
    (row,) = tables.read(home / "reports" / "own" / "trials.arrow").to_pylist()
    assert row["state"] == "complete"
    history = read_history(home / "reports" / "own")
    assert history.study.plugins == (str(home / "mine.py"),)
    own = {"name": "mine", **history.experiment["parts"]["the code mine"]}
    assert history.provenance["plugins"] == [own]
    assert own["said"] == f"{home / 'beside.py'}, {home / 'mine.py'}"


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
