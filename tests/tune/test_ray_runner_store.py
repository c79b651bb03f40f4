"""Nodes without a disk in common: trials that move, drivers that die, students that come home."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.util import store, tables
from dfkd_ray.util.store import Store
from tests import s3
from tests.tune import toys
from tests.tune.holder import ROOT, Holder
from tests.tune.stored import STUDY, Kept

pytestmark = pytest.mark.ray


@pytest.fixture
def address(s3_server: str) -> Iterator[str]:
    """A head without a cpu, and two nodes of one: each may be lost."""
    with Holder(s3.environment(s3_server)) as holder:
        for name in ("a", "b"):
            holder.add(name, num_cpus=1)
        yield holder.address


def told(folder: Path) -> list[dict[str, Any]]:
    rows = tables.read(folder / "trials.arrow").to_pylist()
    return [{key: row[key] for key in ("trial", "state", "changes", "objectives", "epochs")} for row in rows]


def test_a_trial_whose_node_dies_goes_on_elsewhere_and_the_best_student_comes_home(
    address: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = store.folder_of(bucket)
    summary = toys.start(toys.study(text=STUDY), Kept(ends_node=3), folder, runner="ray", address=address)
    assert (summary.complete, summary.failed, summary.finished) == (4, 0, True)
    straight = tmp_path / "straight"
    toys.start(toys.study(text=STUDY), Kept(), straight)
    assert told(folder) == told(straight)
    records = read_records(folder / NAME)[0]
    assert [r["trial"] for r in records if r["kind"] == "accident"] == [0]
    begun = [r["device"] for r in records if r["kind"] == "row" and r["trial"] == 0 and "device" in r]
    assert begun == ["from 0", "from 3"]
    assert summary.best is not None
    student = f"trials/{summary.best.number:04d}/student.safetensors"
    assert (folder / student).read_text() == (straight / student).read_text()
    assert {name.rpartition("/")[0] for name in Store(bucket).names("trials")} == {student.rpartition("/")[0]}


def test_a_driver_that_is_killed_is_gone_on_with_on_another_machine(
    s3_server: str, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    command = [sys.executable, "-m", "tests.tune.stored", bucket]
    work = json.dumps({"pause": 0.2})
    with subprocess.Popen([*command, "start", work], cwd=tmp_path / "one", env=environment) as driver:
        held = Store(bucket)
        while not any(name.startswith("trials/0001/checkpoint-000002") for name in held.names("trials")):
            time.sleep(0.05)
        driver.send_signal(signal.SIGKILL)
    subprocess.run([*command, "resume", work], cwd=tmp_path / "two", env=environment, check=True)
    toys.start(toys.study(text=STUDY), Kept(), tmp_path / "straight")
    monkeypatch.chdir(tmp_path / "two")
    assert told(store.folder_of(bucket)) == told(tmp_path / "straight")
