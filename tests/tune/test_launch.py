"""Start, resume, and what no crash may change: each trial once, nothing running for ever, the same values."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import tune
from dfkd_ray.tune import launch
from dfkd_ray.tune.ledger import NAME, Ledger, encode, read_records
from dfkd_ray.tune.stoppers import rungs
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from tests.tune import driver, toys

SMALL = {"budget: {trials: 8}": "budget: {trials: 4}"}
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.tune.driver", "dfkd_ray.tune.launch"])


def start(folder: Path, work: toys.Toy | None = None, changes: dict[str, str] | None = None, **options: Any) -> Any:
    study = toys.study(changes or {})
    return toys.start(study, work or toys.Toy(), folder, **options)


def resume(folder: Path, work: toys.Toy | None = None, **options: Any) -> Any:
    return toys.resume(folder, work or toys.Toy(), **options)


def outcome(folder: Path) -> dict[str, Any]:
    """The tables without what must differ between two runs: times, processes, attempts."""
    trials = tables.read(folder / "trials.arrow").to_pylist()
    for trial in trials:
        for key in ("started", "device", "attempts"):
            del trial[key]
        trial["final"] = {key: value for key, value in trial["final"] if key != "calls"}
    steps = tables.read(folder / "steps.arrow").to_pylist()
    images = tables.read(folder / "images.arrow").to_pylist()
    return {"trials": trials, "steps": steps, "images": images, "finished": metadata(folder)["finished"]}


def metadata(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = tables.metadata(tables.read(folder / "trials.arrow"))
    return found


def test_start_runs_a_study_to_its_end(tmp_path: Path) -> None:
    summary = start(tmp_path / "toy", parquet=True)
    assert (summary.complete + summary.pruned, summary.failed, summary.running) == (8, 0, 0)
    assert summary.finished
    assert summary.best is not None
    trials = tables.read(tmp_path / "toy" / "trials.arrow").to_pylist()
    assert [trial["trial"] for trial in trials] == list(range(8))
    complete = [trial for trial in trials if trial["state"] == "complete"]
    assert summary.best.values == max(trial["objectives"] for trial in complete)
    assert all(trial["rung"] in rungs(toys.study().stopper, 4) for trial in trials if trial["state"] == "pruned")  # type: ignore[arg-type]
    assert (tmp_path / "toy" / "trials.parquet").exists()
    again = tune.summary(tmp_path / "toy")
    assert (again.complete, again.pruned, again.finished) == (summary.complete, summary.pruned, True)


def test_the_same_study_twice_is_the_same(tmp_path: Path) -> None:
    start(tmp_path / "a")
    start(tmp_path / "b")
    assert outcome(tmp_path / "a") == outcome(tmp_path / "b")


class Crash(BaseException):
    """The end of the process, as far as the study can tell."""


@pytest.mark.usefixtures("no_fsync")
@pytest.mark.parametrize("torn", [False, True], ids=["whole", "torn"])
def test_a_crash_at_every_record_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bool) -> None:
    """The process ends right after (or halfway through) its k-th record, for every k; then it is resumed."""
    start(tmp_path / "whole", changes=SMALL)
    expected = outcome(tmp_path / "whole")
    count = len(read_records(tmp_path / "whole" / NAME)[0])
    real = Ledger.append
    for k in range(2, count):
        written = 0

        def append(self: Ledger, record: Any, wait: bool = True, k: int = k) -> Any:
            nonlocal written
            written += 1
            if written == k and torn:
                line = encode(record)
                os.pwrite(self._file, line[: len(line) // 2], self._size)
            kept = real(self, record, wait) if written < k or not torn else record
            if written == k:
                raise Crash
            return kept

        folder = tmp_path / f"{k}"
        with monkeypatch.context() as patch:
            patch.setattr(Ledger, "append", append)
            patch.setattr(launch.Tuner, "close", lambda self: None)
            with pytest.raises(Crash):
                start(folder, changes=SMALL)
        resume(folder)
        assert outcome(folder) == expected, f"crash at record {k} of {count}"
        shutil.rmtree(folder)


def run_driver(log: str, *arguments: str) -> None:
    with open(log, "a") as out, contextlib.redirect_stdout(out):
        code = driver.main(list(arguments))
    raise SystemExit(code)


def process(folder: Path, *arguments: str) -> Any:
    child = PROCESSES.Process(target=run_driver, args=(f"{folder}.log", str(folder), *arguments))
    child.start()
    return child


def records(folder: Path) -> int:
    return len(read_records(folder / NAME)[0]) if (folder / NAME).exists() else 0


def wait_for(child: Any, folder: Path, count: int) -> None:
    """Until the ledger has so many records, or the child has ended."""
    deadline = time.monotonic() + 60
    while child.is_alive() and records(folder) < count and time.monotonic() < deadline:
        time.sleep(0.002)


def test_kill_9_at_random_points_changes_nothing(tmp_path: Path) -> None:
    start(tmp_path / "whole")
    killed = tmp_path / "killed"
    rng = random.Random(0)
    kills = 0
    while True:
        before = records(killed)
        child = process(killed, "serial", "resume" if before else "start", json.dumps({"pause": 0.01}))
        wait_for(child, killed, before + rng.randint(3, 14))
        time.sleep(0.02 * rng.random())
        if not child.is_alive():
            break
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        kills += 1
    child.join()
    assert child.exitcode == 0
    assert kills >= 4
    assert outcome(killed) == outcome(tmp_path / "whole")
    assert max(trial["attempts"] for trial in tables.read(killed / "trials.arrow").to_pylist()) > 1


def test_ctrl_c_exits_130_and_names_the_way_on(tmp_path: Path) -> None:
    start(tmp_path / "whole")
    folder = tmp_path / "stopped"
    child = process(folder, "serial", "start", json.dumps({"pause": 0.1}))
    wait_for(child, folder, 6)
    os.kill(child.pid, signal.SIGINT)
    child.join(30)
    assert child.exitcode == 130
    assert f"interrupted; resume with: dfkd-ray resume {folder}\n" in Path(f"{folder}.log").read_text()
    assert tune.summary(folder).running == 1
    assert not metadata(folder)["finished"]
    resume(folder)
    assert outcome(folder) == outcome(tmp_path / "whole")


def test_a_folder_with_a_study_is_refused_or_moved_aside(tmp_path: Path) -> None:
    start(tmp_path / "toy")
    before = (tmp_path / "toy" / NAME).read_bytes()
    with pytest.raises(StudyError, match=f"holds a study already; resume with: dfkd-ray resume {tmp_path / 'toy'}"):
        start(tmp_path / "toy")
    start(tmp_path / "toy", fresh=True)
    start(tmp_path / "toy", fresh=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy", "toy.old1", "toy.old2"]
    assert (tmp_path / "toy.old1" / NAME).read_bytes() == before


def test_a_damaged_study_can_still_be_moved_aside(tmp_path: Path) -> None:
    start(tmp_path / "toy")
    ledger = tmp_path / "toy" / NAME
    ledger.write_bytes(ledger.read_bytes().replace(b'"asked"', b'"axked"', 1))
    with pytest.raises(StudyError, match=rf"{NAME}:2: this record is damaged"):
        start(tmp_path / "toy")
    assert start(tmp_path / "toy", fresh=True).finished


def test_a_study_that_is_running_is_not_moved_aside(tmp_path: Path) -> None:
    start(tmp_path / "toy")
    with Ledger(tmp_path / "toy"), pytest.raises(StudyError, match="is being run already by process"):
        start(tmp_path / "toy", fresh=True)
    assert (tmp_path / "toy" / NAME).exists()


@pytest.mark.parametrize("end", [12, None], ids=["torn", "whole"])
def test_a_start_that_got_no_further_than_its_first_record_is_no_obstacle(tmp_path: Path, end: int | None) -> None:
    first = encode(toys.opening(toys.study()))
    (tmp_path / NAME).write_bytes(first[:end])
    assert start(tmp_path).finished
    assert sum(record["kind"] == "study" for record in read_records(tmp_path / NAME)[0]) == 1


def test_resuming_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"holds no study to resume: there is no ledger\.jsonl"):
        resume(tmp_path)
    (tmp_path / NAME).write_bytes(b"")
    with pytest.raises(StudyError, match=r"ledger\.jsonl is empty"):
        resume(tmp_path)


def test_resuming_a_finished_study_runs_nothing(tmp_path: Path) -> None:
    start(tmp_path)
    expected = outcome(tmp_path)
    assert resume(tmp_path, toys.Toy(raises_at=1), provenance={"python": "4"}).finished
    assert outcome(tmp_path) == expected
    assert metadata(tmp_path)["provenance"]["resumed"] == [{"python": "4"}]


def test_failures_are_recorded_with_their_reason(tmp_path: Path) -> None:
    summary = start(tmp_path, toys.Toy(raises_at=2, only=(1, 3)))
    assert summary.failed == 2
    trial = tables.read(tmp_path / "trials.arrow").to_pylist()[1]
    head, place = trial["reason"].split("\n")
    assert head == "TrialFailed: the loss is not finite at epoch 2"
    assert "toys.py:" in place
    assert "in epochs: raise TrialFailed" in place


def test_a_mistake_in_every_trial_ends_the_study_and_loses_nothing(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="the first 3 trials have all failed alike"):
        start(tmp_path, toys.Toy(raises_at=1))
    assert [trial["state"] for trial in outcome(tmp_path)["trials"]] == ["failed"] * 3
    assert not metadata(tmp_path)["finished"]
    assert resume(tmp_path).complete > 0  # once the mistake is mended it goes on


def test_a_work_that_ends_without_a_last_row_has_failed(tmp_path: Path) -> None:
    start(tmp_path, toys.Toy(ends_at=3, only=(0,)), {"budget: {trials: 8}": "budget: {trials: 1}"})
    assert outcome(tmp_path)["trials"][0]["reason"] == "the work ended without a last row"
