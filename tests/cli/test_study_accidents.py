"""Trials that fail, disks that fill, terminals that hang up: exit codes, what is said, and what can be run again."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.runs.checkpoint import Checkpoint
from dfkd_ray.util import tables
from dfkd_ray.util.errors import TrialFailed
from tests.cli.commands import TINY, dfkd, interrupted

FIXED = "\n".join(f"  {path}: {value}" for path, value in TINY.items() if path.startswith("schedule."))
HEAD = f"method: noise_kd\ntask: gliders\nfixed:\n{FIXED}\nobjective: {{metric: val_accuracy}}\n"
STUDIES = {
    "sweep": "search: {student_loss.kd.temperature: {log: [1, 20]}}\nsampler: {name: tpe, startup: 1}\n"
    "budget: {trials: 4}",
    "grid": "search: {student_loss.kd.temperature: {choice: [1, 2, 4, 8]}}\nsampler: grid",
    "ablate": "arms:\n  soft: {student_loss.kd.temperature: 8}\n  hard: {student_loss.kd.temperature: 1}\nseeds: 2",
}
SERIAL = ("--runner", "serial")


@contextmanager
def going_wrong(trials: set[int], error: Callable[[Path], Exception]) -> Iterator[None]:
    """Checkpoints of these trials cannot be written after the first epoch."""
    save = Checkpoint.save

    def saved(checkpoint: Checkpoint, row: Any) -> None:
        assert checkpoint.folder is not None
        if int(checkpoint.folder.name) in trials and row.epoch == 2:
            raise error(checkpoint.folder / "checkpoint.pt")
        save(checkpoint, row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoint, "save", saved)
        yield


def full(path: Path) -> Exception:
    return OSError(errno.ENOSPC, "No space left on device", str(path))


def results(folder: Path) -> list[tuple[Any, ...]]:
    names = ("trial", "arm", "seed", "changes", "state", "objectives", "fingerprint")
    return [tuple(row[name] for name in names) for row in tables.read(folder / "trials.arrow").to_pylist()]


def launch(command: str, home: Path) -> tuple[str, ...]:
    (home / "study.yaml").write_text(f"study: {home.name}\n{HEAD}{STUDIES[command]}\n")
    return ("ablate" if command == "ablate" else "sweep", "study.yaml", *SERIAL)


@pytest.mark.parametrize("command", STUDIES)
def test_failed_trials_are_said_with_exit_code_3_and_run_again_when_they_are_asked_for(
    command: str, tmp_path: Path
) -> None:
    (tmp_path / "s").mkdir()
    words, folder = launch(command, tmp_path / "s"), tmp_path / "s" / "reports" / "s"
    with going_wrong({1, 2}, lambda path: TrialFailed("the loss is not finite")):
        done = dfkd(*words, cwd=tmp_path / "s")
    assert done.code == 3
    assert done.err == ("2 trials failed, 2 are complete; once that is mended: dfkd-ray resume reports/s --failed\n")
    assert [line for line in done.out.splitlines() if line.startswith(f"  {Path(__file__)}:")], "where it failed"
    assert dfkd("resume", "reports/s", cwd=tmp_path / "s").code == 3, "nothing is run again unasked"
    again = dfkd("resume", "reports/s", "--failed", cwd=tmp_path / "s")
    assert (again.code, again.err) == (0, "")
    assert {row[4] for row in results(folder)} == {"complete"}
    if command != "sweep":  # a sampler has learnt from failures: it may have asked for other settings
        (tmp_path / "t").mkdir()
        assert dfkd(*launch(command, tmp_path / "t"), cwd=tmp_path / "t").code == 0
        assert results(folder) == results(tmp_path / "t" / "reports" / "t")


def test_a_study_that_was_given_up_is_run_again_as_well(tmp_path: Path) -> None:
    words = launch("grid", tmp_path)
    with going_wrong({0, 1, 2}, lambda path: TrialFailed("the loss is not finite")):
        done = dfkd(*words, "--out", "out", cwd=tmp_path)
    assert done.code == 3
    assert done.err.startswith("error: the first 3 trials have all failed alike, so the study was stopped ")
    assert dfkd("resume", "out", "--failed", cwd=tmp_path).code == 0
    assert [row[4] for row in results(tmp_path / "out")] == ["complete"] * 4


@pytest.mark.slow
def test_a_full_disk_fails_no_trial_and_teaches_the_sampler_nothing(tmp_path: Path) -> None:
    words = launch("sweep", tmp_path)
    with going_wrong({1, 2, 3}, full):
        done = dfkd(*words, "--out", "out", cwd=tmp_path)
    assert done.code == 130
    why, way = done.err.splitlines()
    assert why.startswith("the study cannot go on: OSError: ")
    assert f"{tmp_path}/out/trials/0003/checkpoint.pt: no space left on /" in why
    assert why.endswith(" free")
    assert way == "interrupted; resume with: dfkd-ray resume out"
    assert [row[4] for row in results(tmp_path / "out")] == ["complete", "running", "running", "running"]
    assert dfkd("resume", "out", cwd=tmp_path).code == 0
    assert dfkd(*words, "--out", "undisturbed", cwd=tmp_path).code == 0
    found, wanted = (results(tmp_path / name) for name in ("out", "undisturbed"))
    assert [row[5] for row in found[:2]] == [row[5] for row in wanted[:2]]
    assert {row[4] for row in found} == {"complete"}


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_a_terminal_that_hangs_up_and_the_end_of_a_job_are_interrupts(number: signal.Signals, tmp_path: Path) -> None:
    before = signal.signal(number, lambda *_: pytest.fail("nobody listens for it"))
    try:
        with interrupted(saves=2, number=number):
            done = dfkd(*launch("grid", tmp_path), "--out", "out", cwd=tmp_path)
    finally:
        signal.signal(number, before)
    assert (done.code, done.err) == (130, "interrupted; resume with: dfkd-ray resume out\n")
    assert [row[4] for row in results(tmp_path / "out")] == ["running"]


def test_help_says_what_exit_codes_mean() -> None:
    said = " ".join(dfkd("--help").out.split())
    assert "0 done; 2 bad input; 3 a study ended, but trials failed or none is complete; 130 interrupted." in said
