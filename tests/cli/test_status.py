"""`status`: a study that is there, from any terminal."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from dfkd_ray.cli import status
from dfkd_ray.tune import standing
from dfkd_ray.tune.ledger import Ledger
from dfkd_ray.util import tables
from tests.cli.commands import dfkd, refused
from tests.tune import ablations
from tests.tune.test_history import asked, ended, row
from tests.tune.test_standing import END, STORY, write

pytestmark = pytest.mark.usefixtures("no_fsync")


@pytest.fixture(autouse=True)
def _clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standing.time, "time", lambda: 165.0)


def test_a_study_that_was_left(tmp_path: Path) -> None:
    write(tmp_path / "reports" / "toy")
    done = dfkd("status", "toy", cwd=tmp_path)
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "toy: interrupted, nobody runs it; last record 60 s ago",
        "sweep of m on t, in reports/toy",
        "3 of 8 trials have ended: 1 complete, 1 stopped, 1 failed; 1 unfinished",
        "best: trial 0, seed 7, val_accuracy 40.0 %",
        "  x = 0",
        "run for 0 s",
        "go on: dfkd-ray resume reports/toy",
    ]


def test_one_that_runs_shows_its_trials(tmp_path: Path) -> None:
    folder = write(tmp_path / "toy")
    with Ledger(folder):
        lines = dfkd("status", folder).out.splitlines()
        told = json.loads(dfkd("status", folder, "--json").out)
    assert lines[0] == f"toy: running by process {os.getpid()} on {socket.gethostname()}; last record 60 s ago"
    assert lines[2].endswith("1 failed; 1 running")
    assert lines[-3:] == [
        "run for 0 s, about 23 s left",
        "trial  epoch  val_accuracy  time  settings",
        "3      1/4    20.0 %        2 s   x=0.3",
    ]
    assert (told["state"], told["trials"]["running"], told["running"][0]["value"]) == ("running", 1, 0.2)


def test_one_trial_is_one_trial(tmp_path: Path) -> None:
    alone = [STORY[0], asked(0), row(0, 1, 0.4), ended(0, "complete", [0.4]), END]
    alone[0] = {**alone[0], "study": {**alone[0]["study"], "budget": {"trials": 1}}}
    lines = dfkd("status", write(tmp_path / "toy", alone)).out.splitlines()
    assert lines[0] == "toy: finished; last record 55 s ago"
    assert lines[2] == "1 of 1 trial has ended: 1 complete, 0 stopped, 0 failed"


def test_an_ablation_has_its_effects(tmp_path: Path) -> None:
    ablations.run(tmp_path / "parts")
    lines = dfkd("status", tmp_path / "parts").out.splitlines()
    assert "effects on val_accuracy, 95 % intervals and p, each over all effects of its kind:" in lines
    told = json.loads(dfkd("status", tmp_path / "parts", "--json").out)
    assert {row["component"] for row in told["effects"] if row["metric"] == "val_accuracy"} == {"a", "b", "c"}


def test_effects_of_before_there_was_an_interval_of_the_verdict(tmp_path: Path) -> None:
    ablations.run(tmp_path / "parts")
    path = tmp_path / "parts" / "effects.arrow"
    tables.write(tables.read(path).drop_columns(["low", "high"]), path)
    done = dfkd("status", tmp_path / "parts")
    assert (done.code, done.err) == (0, "")
    assert "effects on val_accuracy" in done.out


def test_what_is_a_study_and_what_a_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("reports/toy"))
    asked_of = {"toy": True, "reports/toy": True, "s3://bucket/toy": True, "./nowhere": True, "mhad-1f2e3d": False}
    assert {what: status.is_place(what) for what in asked_of} == asked_of
    message = "reports/tox holds no study: there is no such folder; did you mean 'toy'? (known: toy)"
    assert refused("status", "reports/tox") == message
    message = refused("status", "toi", cwd=tmp_path)
    assert message.endswith("; nor is there a study toi under reports/; did you mean 'toy'? (known: toy)")
