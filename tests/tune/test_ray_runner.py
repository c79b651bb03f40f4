"""Ray Tune: workers that are reused, killed and restarted; drivers that are killed; clusters with a token."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from dfkd_ray.util.progress import displayed
from tests.tune import ablations, toys
from tests.tune.holder import ROOT, Holder
from tests.tune.on_ray import Shared, Slow, Various

pytestmark = pytest.mark.ray
ALL = {"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"}


@pytest.fixture(scope="module")
def holder() -> Iterator[Holder]:
    """A cluster of two nodes with one cpu each, behind a token, shared by this file's tests."""
    with Holder(num_cpus=1) as holder:
        holder.add("second", num_cpus=1)
        yield holder


@pytest.fixture
def address(holder: Holder) -> str:
    return holder.address


@pytest.fixture(autouse=True)
def _a_driver_imports_no_tracker_that_is_installed_and_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray's count of callbacks imports them all, 2 s before the first trial, though statistics are off."""
    for name in ("mlflow", "wandb"):
        monkeypatch.setitem(sys.modules, f"ray.air.integrations.{name}", None)  # an import of it fails


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


@pytest.fixture(scope="module")
def mishaps(holder: Holder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study whose first trial has an error, whose second loses its worker, and whose third has a full disk twice;
    and the same without Ray, where nothing but the error happens."""
    folder = tmp_path_factory.mktemp("mishaps")
    wrong = {0: toys.Toy(raises_at=2), 1: toys.Toy(die_at=3), 2: toys.Toy(full_at=2, times=2)}
    made = study(4, sampler=Random())
    start(folder / "ray", Various(of=wrong), made, address=holder.address)
    toys.start(made, Various(of={0: wrong[0]}), folder / "serial")
    return folder


def test_a_killed_worker_is_restarted_and_goes_on_from_its_checkpoint(mishaps: Path) -> None:
    found = trials(mishaps / "ray")
    assert [trial["attempts"] for trial in found] == [1, 2, 3, 1]
    assert [trial["state"] for trial in found] == ["failed"] + ["complete"] * 3
    for kind in ("trials", "steps"):
        one, other = (comparable(mishaps / runner, kind) for runner in ("ray", "serial"))
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


def test_a_full_disk_on_a_node_is_tried_again_and_told_in_the_workers_words(mishaps: Path) -> None:
    records = read_records(mishaps / "ray" / NAME)[0]
    said = [r["reason"] for r in records if (r["kind"], r.get("trial")) == ("accident", 2)]
    assert len(said) == 2
    assert all(f"{mishaps}/ray/trials/0002/checkpoint.json: no space left on /" in each for each in said)


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


def test_exceptions_are_recorded_and_not_retried(mishaps: Path) -> None:
    first = trials(mishaps / "ray")[0]
    head, place = first["reason"].split("\n")
    assert head == "TrialFailed: the loss is not finite at epoch 2"
    assert "toys.py:" in place
    assert (first["state"], first["attempts"], first["epochs"]) == ("failed", 1, 1)


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
    fewer = {"  c: {off: {c: 0}}\n": ""}
    path = {**fewer, **ablations.PATH, "seeds: 3": "seeds: 2"}
    seeds = {**fewer, **ablations.adaptive(4.0, most=4)}
    designs = {"path": (path, toys.Parts(pause=0.05)), "seeds": (seeds, noisy)}
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


def test_a_run_by_itself_moves_a_bar_within_its_epochs(address: str, tmp_path: Path) -> None:
    made = replace(study(1), search={})
    assert made.one_run
    told: list[tuple[object, ...]] = []

    @contextmanager
    def seen(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        told.append(("begins", title, total, unit))
        yield lambda done: told.append((title, done))
        told.append(("ends", title))

    with displayed(seen):
        summary = start(tmp_path, Slow(max_epochs=2), made, address=address)
    assert summary.complete == 1
    assert told[0] == ("begins", "rounds", 40, "rounds")
    assert {5, 15} >= {done for title, done in told[1:-1] if title == "rounds"} >= {5}
    assert told[-1] == ("ends", "rounds")


def test_a_trial_computes_on_all_gpus_that_it_reserves(holder: Holder, tmp_path: Path) -> None:
    """It has a process for each of them, in the actor that Ray Tune gave it. The last on this cluster: of a node that
    was killed Ray still counts the GPUs for a while."""
    holder.add("gpus", num_cpus=1, num_gpus=2)
    start(tmp_path, Shared(2), study(1, resources=Resources(cpu=1, gpu=2)), address=holder.address)
    holder.kill("gpus")
    assert [(each["state"], each["device"]) for each in trials(tmp_path)] == [("complete", "2 cpu")]
    steps = tables.read(tmp_path / "steps.arrow").to_pylist()
    assert {each["value"] for each in steps} == {3.0}


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
