"""A study that goes on as its edited file has it, as its user meets it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.history import read_history
from dfkd_ray.tune.ledger import NAME
from dfkd_ray.util import tables
from tests.cli.commands import Done, dfkd, refused

MINE = "\n".join(
    ["schedule: {epochs: 1, rounds: 1, student_steps: 1, batch: 4}", "student_loss: {kd: {temperature: 4}}"]
)
SWEEP = """study: mine
method: mine.yaml
task: gliders
objective: {metric: val_accuracy}
search:
  student_loss.kd.temperature: {log: [1, 20]}
sampler: random
budget: {trials: 2}
"""
EDITED = SWEEP.replace("trials: 2", "trials: 4").replace(
    "[1, 20]}", "[1, 40]}\n  student_loss.kd.weight: {log: [1, 2]}"
)
START = "start:\n- student_loss.kd.temperature: 30\n"
SERIAL = ("--runner", "serial")


def write(home: Path, text: str) -> Path:
    (home / "mine.yaml").write_text(MINE)
    path = home / "sweep.yaml"
    path.write_text(text)
    return path


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study of two trials in reports/mine, and a copy of it."""
    home = tmp_path_factory.mktemp("grown")
    write(home, SWEEP)
    assert dfkd("sweep", "sweep.yaml", *SERIAL, cwd=home).code == 0
    return home


@pytest.fixture(scope="module")
def edited(home: Path) -> tuple[list[Any], Done]:
    """What the folder refused, and how it went on with the edited file."""
    refusals = [
        refused("sweep", "sweep.yaml", *SERIAL, cwd=home),
        refused("sweep", "sweep.yaml", *SERIAL, "--set", "schedule.batch=8", "--trials", "1", cwd=home),
        refused("resume", "reports/mine", "--trials", "1", cwd=home),
        refused("sweep", "sweep.yaml", *SERIAL, "--set", "student_loss.kd.weight=2", cwd=home),
    ]
    assert len(read_history(home / "reports" / "mine").trials) == 2
    write(home, EDITED + START)
    return refusals, dfkd("sweep", "sweep.yaml", *SERIAL, cwd=home)


def test_what_is_no_edit_of_this_study_is_refused_with_the_way_on(edited: tuple[list[str], Done]) -> None:
    same, other, fewer, fixed = edited[0]
    assert same == (
        "reports/mine holds a study already, finished; more trials with: dfkd-ray resume reports/mine --trials N "
        "(or start afresh with --fresh, which moves it aside)"
    )
    assert other.splitlines() == [
        "reports/mine holds another study than this:",
        "  fixed.schedule.batch: nothing there, 8 here",
        "name another folder with --out, or go on with what it holds: dfkd-ray resume reports/mine "
        "(or start afresh with --fresh, which moves it aside)",
    ]
    assert fewer.splitlines()[1:] == ["  budget.trials: 2 were asked for already, 1 here"]
    assert fixed.splitlines()[1] == "  fixed.student_loss.kd.weight: nothing there, 2 here"


def test_an_edited_file_is_taken_up_and_recorded(home: Path, edited: tuple[list[str], Done]) -> None:
    done = edited[1]
    assert (done.code, done.err) == (0, ""), done
    assert done.out.splitlines()[0].startswith(
        'goes on after 2 trials as an edited study: search.student_loss.kd.temperature {"log": [1.0, 20.0]} -> '
    )
    folder = home / "reports" / "mine"
    history = read_history(folder)
    assert [trial.state for trial in history.trials.values()] == ["complete"] * 4
    assert [trial.changes["student_loss.kd.weight"] for trial in history.trials.values()][:2] == [1.0, 1.0]
    assert dict(history.trials[2].changes) == {"student_loss.kd.temperature": 30.0, "student_loss.kd.weight": 1.0}
    assert [trial.proposed_by for trial in history.trials.values()] == [None, None, "start", None]
    table = tables.read(folder / "trials.arrow")
    assert table["proposed_by"].to_pylist() == [None, None, "start", None]
    assert table["changed"].to_pylist() == [None] * 4, "it is one experiment"
    assert json.loads(table["changes"].to_pylist()[0])["student_loss.kd.weight"] == 1.0
    page = (folder / "report.html").read_text()
    assert "after 2 trials: search.student_loss.kd.temperature" in page
    assert "Edited" in page
    assert "4 of 4 trials have ended" in dfkd("status", folder).out


def test_what_is_said_over_a_finished_study_makes_it_longer(home: Path, edited: tuple[list[str], Done]) -> None:
    done = dfkd("resume", "reports/mine", "--trials", 5, cwd=home)
    assert (done.code, done.out.splitlines()[0]) == (
        0,
        "goes on after 4 trials as an edited study: budget.trials 4 -> 5",
    )
    history = read_history(home / "reports" / "mine")
    assert (len(history.trials), len(history.amendments), history.finished) == (5, 2, True)
    before = (home / "reports" / "mine" / NAME).read_bytes()
    assert refused("sweep", "sweep.yaml", *SERIAL, cwd=home).splitlines()[1] == (
        "  budget.trials: 5 were asked for already, 4 here"
    )
    assert (home / "reports" / "mine" / NAME).read_bytes() == before


def test_a_new_study_learns_from_it(home: Path, edited: tuple[list[str], Done]) -> None:
    write(home, EDITED.replace("study: mine", "study: next").replace("sampler: random", "sampler: tpe"))
    done = dfkd("sweep", "sweep.yaml", *SERIAL, "--trials", 1, "--reuse", "reports/mine", "--out", "next", cwd=home)
    assert done.code == 0, done
    assert "mine: the sampler knows " in done.out
    assert "proposed: 1 of 1 trial by the sampler's model" in done.out
    assert "Learnt from" in (home / "next" / "report.html").read_text()
