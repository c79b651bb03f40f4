"""Workers that are told to end: what they have is saved, nothing of it is computed again, and nothing counts."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.study.specs import Random
from dfkd_ray.tune import ray_leaving
from dfkd_ray.tune.accidents import Accident
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import leaving
from tests.tune import toys
from tests.tune.holder import ROOT, Holder

STEPS = 40  # of the one epoch


@pytest.fixture(autouse=True)
def _nobody_said_so() -> Iterator[None]:
    yield
    leaving.forget()


def test_it_looks_until_its_node_is_drained() -> None:
    answers: list[Any] = [{}, ConnectionError("no head"), {"another": 0}, {"mine": 0}]

    def asked() -> dict[str, int]:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return dict(answer)

    ray_leaving.look("mine", asked, pause=0.001)
    assert (leaving.told(), answers) == (ray_leaving.DRAINED, [])


def test_a_second_signal_ends_the_process_at_once() -> None:
    code = (
        "import os, signal, time\n"
        "from dfkd_ray.tune import ray_leaving\n"
        "from dfkd_ray.util import leaving\n"
        "signal.signal(signal.SIGTERM, ray_leaving._terminate)\n"
        "os.kill(os.getpid(), signal.SIGTERM); print(leaving.told(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "SIGTERM\n"), done.stderr


@dataclass(frozen=True)
class Steps:
    """One long epoch of steps, each a line in a file; where the process is told to end, it saves and leaves."""

    max_epochs: int = 1

    def fingerprint(self, changes: Any) -> str:
        return json.dumps(changes, sort_keys=True)

    def epochs(self, job: Job) -> Iterator[Row]:
        import ray

        assert job.folder is not None
        folder = Path(job.folder)
        folder.mkdir(parents=True, exist_ok=True)
        where = {"pid": os.getpid(), "node": ray.get_runtime_context().get_node_id()}
        saved = folder / "saved"
        for step in range(int(saved.read_text()) if saved.exists() else 0, STEPS):
            if leaving.told():
                saved.write_text(str(step))
                raise Accident(f"{leaving.SAVED}{leaving.told()}")
            with (folder.parents[1] / f"steps{job.trial}").open("a") as file:  # its own folder may be tidied away
                file.write(json.dumps({"step": step, **where}) + "\n")
            time.sleep(0.25)
        yield Row(1, 1.0, {"val_accuracy": 0.5}, last=True, method={"name": "m"}, fingerprint="f")


def steps(folder: Path, trial: int) -> list[dict[str, Any]]:
    path = folder / f"steps{trial}"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run(folder: Path, address: str, trials: int, then: Callable[[], None]) -> list[dict[str, Any]]:
    """A study of so many trials, and `then` in another thread; its records."""
    made = toys.study({"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"})
    made = replace(made, budget=replace(made.budget, trials=trials), sampler=Random())
    thread = threading.Thread(target=then)
    thread.start()
    summary = toys.start(made, Steps(), folder, runner="ray", address=address, retries=0)
    thread.join()
    assert summary.complete == trials
    return list(read_records(folder / NAME)[0])


def begun(folder: Path, trial: int) -> list[dict[str, Any]]:
    deadline = time.monotonic() + 120
    while len(found := steps(folder, trial)) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with Holder(num_cpus=1) as holder:
        holder.add("second", num_cpus=1)
        yield holder.address


@pytest.mark.slow
@pytest.mark.ray
def test_after_sigterm_a_trial_goes_on_from_the_step_that_it_had_reached(address: str, tmp_path: Path) -> None:
    def terminate() -> None:
        os.kill(begun(tmp_path, 0)[-1]["pid"], signal.SIGTERM)

    records = run(tmp_path, address, 1, terminate)
    done = steps(tmp_path, 0)
    assert [each["step"] for each in done] == list(range(STEPS))
    assert len({each["pid"] for each in done}) == 2
    told = [each["reason"] for each in records if each["kind"] == "accident"]
    assert told == ["told to leave, and has saved a checkpoint: SIGTERM"]


@pytest.mark.slow
@pytest.mark.ray
def test_a_trial_leaves_a_node_that_is_drained_and_goes_on_at_another(address: str, tmp_path: Path) -> None:
    """The second node of the cluster, to its end: this test is the last."""

    def drain() -> None:
        import ray
        from ray._raylet import GcsClient  # type: ignore[attr-defined]
        from ray.core.generated.autoscaler_pb2 import DrainNodeReason

        for trial in (0, 1):
            begun(tmp_path, trial)
        heads = {each["NodeID"] for each in ray.nodes() if "node:__internal_head__" in each["Resources"]}
        node = next(at for trial in (0, 1) if (at := begun(tmp_path, trial)[-1]["node"]) not in heads)
        reason = DrainNodeReason.Value("DRAIN_NODE_REASON_PREEMPTION")
        deadline = time.time_ns() // 10**6 + 60_000
        assert GcsClient(address=address).drain_node(node, reason, "a spot instance", deadline)[0]

    records = run(tmp_path, address, 2, drain)
    told = [(each["trial"], each["reason"]) for each in records if each["kind"] == "accident"]
    assert len(told) == 1
    left = told[0][0]
    assert told[0][1] == "told to leave, and has saved a checkpoint: its node is being drained"
    assert [each["step"] for each in steps(tmp_path, left)] == list(range(STEPS))
    assert len({each["node"] for each in steps(tmp_path, left)}) == 2
