"""Ray Tune: workers that are reused, killed and restarted; drivers that are killed; clusters with a token."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray import tune
from dfkd_ray.study import Resources, Study
from dfkd_ray.study.specs import Random
from dfkd_ray.tune.interrupts import Interrupted
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.ray_setup import MALLOC
from dfkd_ray.tune.watchdog import Watchdog
from dfkd_ray.util import tables
from dfkd_ray.util.errors import StudyError
from tests.tune import ablations, toys
from tests.tune.holder import ROOT, Holder

pytestmark = pytest.mark.ray
ALL = {"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"}


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """A cluster of two nodes with one cpu each, behind a token, shared by this file's tests."""
    with Holder(num_cpus=1) as holder:
        holder.add("second", num_cpus=1)
        yield holder.address


def study(trials: int, **changes: Any) -> Study:
    made = toys.study(ALL)
    return replace(made, budget=replace(made.budget, trials=trials), **changes)


def start(folder: Path, work: Any, made: Study, **options: Any) -> tune.Summary:
    return toys.start(made, work, folder, runner="ray", **options)


def trials(folder: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tables.read(folder / "trials.arrow").to_pylist()
    return found


def test_on_a_cluster_with_a_token(address: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Two nodes at work, workers reused with nothing left over, the environment as it should be, and silence."""
    ballast = bytes(30_000_000)
    made = study(6, resources=Resources(cpu=1, gpu=0))
    summary = start(tmp_path, toys.Probe(ballast=ballast), made, address=address)
    assert (summary.complete, summary.finished) == (6, True)
    seen = [json.loads(trial["device"]) for trial in trials(tmp_path)]
    assert len({one["pid"] for one in seen}) <= 2
    assert len({one["pid"] for one in seen}) == len({one["node"] for one in seen})
    for one in seen:
        first = MALLOC.partition(":")[0]  # glibc cuts the string apart where it stands when it has read it
        assert one["at_exec"] == {"OMP_NUM_THREADS": "1", "GLIBC_TUNABLES": first, "RAY_AUTH_MODE": "token"}
        assert one["faults"] < 5000  # 50,000 without
        assert one["now"] == {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
        assert (one["torch"], one["job_threads"], one["ballast"]) == (False, 1, len(ballast))
    out, err = capfd.readouterr()
    who = "it lets in whoever has its token; a firewall or --runner serial closes it"
    assert out == ""
    assert re.fullmatch(rf"Ray listens on all interfaces \([^()]*this process \d+\): {who}\n", err), "and nothing else"


def test_a_killed_worker_is_restarted_and_goes_on_from_its_checkpoint(address: str, tmp_path: Path) -> None:
    made = study(4, sampler=Random())
    start(tmp_path / "ray", toys.Toy(die_at=3, only=(1,)), made, address=address)
    toys.start(made, toys.Toy(), tmp_path / "serial")
    killed = trials(tmp_path / "ray")
    assert [trial["attempts"] for trial in killed] == [1, 2, 1, 1]
    assert [trial["state"] for trial in killed] == ["complete"] * 4
    for kind in ("trials", "steps"):
        one, other = (comparable(tmp_path / runner, kind) for runner in ("ray", "serial"))
        assert one == other


def comparable(folder: Path, kind: str) -> list[dict[str, Any]]:
    left_out = {"started", "device", "attempts", "final"}
    rows = tables.read(folder / f"{kind}.arrow").to_pylist()
    return [{key: value for key, value in row.items() if key not in left_out} for row in rows]


def test_a_worker_that_dies_again_and_again_is_no_result(address: str, tmp_path: Path) -> None:
    with pytest.raises(Interrupted) as stopped:
        start(tmp_path, toys.Toy(die_at=1), study(1), address=address, retries=0)
    assert "the worker died (killed, out of memory, or its node is gone)\n" in str(stopped.value)
    assert str(stopped.value).endswith(f"\ninterrupted; resume with: dfkd-ray resume {tmp_path}")
    trial = trials(tmp_path)[0]
    assert (trial["state"], trial["attempts"], trial["epochs"]) == ("running", 1, 0)
    assert toys.resume(tmp_path, toys.Toy(), runner="serial").complete == 1


def test_a_full_disk_on_a_node_is_tried_again_and_told_in_the_workers_words(address: str, tmp_path: Path) -> None:
    summary = start(tmp_path, toys.Toy(full_at=2, only=(1,), times=2), study(3), address=address)
    assert (summary.complete, summary.failed) == (3, 0)
    assert [trial["attempts"] for trial in trials(tmp_path)] == [1, 3, 1]
    said = [r["reason"] for r in read_records(tmp_path / NAME)[0] if r["kind"] == "accident"]
    assert len(said) == 2
    assert all(f"{tmp_path}/trials/0001/checkpoint.json: no space left on /" in each for each in said)


@pytest.mark.slow
def test_a_worker_that_hangs_is_ended_and_its_trial_goes_on(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dfkd_ray.tune.tuner.Watchdog", lambda factor: Watchdog(3.0, 1.0))
    summary = start(tmp_path, toys.Toy(hangs_at=3, only=(1,)), study(3), address=address, concurrency=1)
    assert (summary.complete, summary.failed) == (3, 0)
    assert [trial["attempts"] for trial in trials(tmp_path)] == [1, 2, 1]
    said = [r["reason"] for r in read_records(tmp_path / NAME)[0] if r["kind"] == "accident"]
    assert len(said) == 1
    assert said[0].startswith("no epoch within ")


def test_exceptions_are_recorded_and_not_retried(address: str, tmp_path: Path) -> None:
    start(tmp_path, toys.Toy(raises_at=2, only=(0,)), study(2), address=address)
    first, second = trials(tmp_path)
    head, place = first["reason"].split("\n")
    assert head == "TrialFailed: the loss is not finite at epoch 2"
    assert "toys.py:" in place
    assert (first["state"], first["attempts"], first["epochs"]) == ("failed", 1, 1)
    assert second["state"] == "complete"


def test_the_driver_imports_no_tracker_that_is_installed_and_not_used(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray's count of callbacks imports them all, 2 s before the first trial, though statistics are off."""
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, f"ray.air.integrations.{name}", None)  # an import of it fails
    assert start(tmp_path, toys.Toy(), study(1), address=address).complete == 1


def test_the_stopper_stops(address: str, tmp_path: Path) -> None:
    made = toys.study()
    summary = start(tmp_path, toys.Toy(), made, address=address, concurrency=1)
    assert summary.pruned > 0
    assert all(trial["epochs"] == trial["rung"] for trial in trials(tmp_path) if trial["state"] == "pruned")
    serial = toys.start(made, toys.Toy(), tmp_path / "serial")
    assert (serial.complete, serial.pruned) == (summary.complete, summary.pruned)  # one at a time is the same study


def test_a_work_that_cannot_be_unpacked_says_so(address: str, tmp_path: Path) -> None:
    start(tmp_path, toys.Unsendable(), study(1), address=address)
    assert trials(tmp_path)[0]["reason"].startswith("RuntimeError: no such module here\n")


def test_isolated_trials_have_processes_of_their_own(address: str, tmp_path: Path) -> None:
    start(tmp_path, toys.Toy(max_epochs=1), study(2), address=address, isolate=True)
    one, other = trials(tmp_path)
    assert one["device"] != other["device"]
    assert [dict(trial["final"])["calls"] for trial in (one, other)] == [1.0, 1.0]


def test_a_trial_that_fits_nowhere_is_refused(address: str, tmp_path: Path) -> None:
    made = study(2, resources=Resources(cpu=64, gpu=1))
    why = r"a trial takes 64 cpu, 1 gpu \(resources\), and the largest of 2 nodes has 1 cpu, 0 gpu; --wait says"
    with pytest.raises(StudyError, match=why):
        start(tmp_path, toys.Toy(), made, address=address, wait=0)


def test_a_mistake_in_every_trial_ends_the_study(address: str, tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="the first 3 trials have all failed alike"):
        start(tmp_path, toys.Toy(raises_at=1), study(8), address=address)
    assert len(trials(tmp_path)) <= 5  # one more may have been running, and one is asked for beside what fits


def test_an_ablation_decides_while_trials_run(address: str, tmp_path: Path) -> None:
    """Rounds of a path, and seeds that are added: there is nothing to start until what runs has ended, and then more.

    Both runners run the same cells, and find the same.
    """
    noisy = toys.Parts(noise=0.02, pause=0.05)
    designs = {"path": (ablations.PATH, toys.Parts(pause=0.05)), "seeds": (ablations.adaptive(4.0, most=6), noisy)}
    for name, (changes, work) in designs.items():
        found, serial = (
            ablations.run(tmp_path / name / runner, changes, work, runner, **options)
            for runner, options in (("ray", {"address": address}), ("serial", {}))
        )
        assert found.finished
        assert ablations.cells(found) == ablations.cells(serial)
        assert [trial.values for trial in found.trials.values()] == [trial.values for trial in serial.trials.values()]
        folders = [tmp_path / name / runner for runner in ("ray", "serial")]
        assert ablations.effects(folders[0]) == ablations.effects(folders[1])
        assert decisions(folders[0]) >= 2, "else nothing was decided on the way"


def decisions(folder: Path) -> int:
    """How often a trial was asked for when all before it had ended: then something was decided."""
    count, running = 0, 0
    for record in read_records(folder / NAME)[0]:
        if record["kind"] == "asked":
            count += running == 0
        running += {"asked": 1, "ended": -1}.get(record["kind"], 0)
    return count


def test_on_this_machine_through_kill_9_and_ctrl_c(tmp_path: Path) -> None:
    """Start, kill -9 of the driver, resume, Ctrl-C (130), resume without Ray: each trial once."""
    folder = tmp_path / "toy"
    changes = json.dumps(ALL)

    def driver(how: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.tune.driver", str(folder), "ray", how, '{"pause": 0.1}', changes]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def rows(kind: str = "row") -> int:
        found = read_records(folder / NAME)[0] if (folder / NAME).exists() else []
        return sum(record["kind"] == kind for record in found)

    def wait_for_rows(count: int) -> None:
        deadline = time.monotonic() + 120
        while rows() < count and time.monotonic() < deadline:
            time.sleep(0.05)

    first = driver("start")
    wait_for_rows(5)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    done = rows()
    second = driver("resume")
    wait_for_rows(done + 6)
    second.send_signal(signal.SIGINT)
    out, err = second.communicate(timeout=60)
    assert second.returncode == 130
    assert out.endswith(f"interrupted; resume with: dfkd-ray resume {folder}\n")
    assert err == ""
    assert tune.summary(folder).running >= 1
    assert toys.resume(folder, toys.Toy(), runner="serial").finished  # either runner goes on with the other's
    assert [(trial["trial"], trial["state"], trial["epochs"]) for trial in trials(folder)] == [
        (number, "complete", 4) for number in range(8)
    ]
    assert max(trial["attempts"] for trial in trials(folder)) >= 2
    assert rows("asked") == rows("ended") == 8
