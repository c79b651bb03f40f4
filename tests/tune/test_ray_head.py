"""A dead head: what is said, and that a study comes to its resume line, also where Ray holds the main thread."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dfkd_ray.tune.interrupts import Interrupted, Interrupts
from dfkd_ray.tune.ledger import NAME, read_records
from dfkd_ray.tune.ray_head import GRACE, LOOK, PATIENCE, Head
from tests.tune.holder import ROOT, Holder


def refuse() -> str:
    pytest.fail("the main thread can leave by itself")


def test_it_gives_up_before_ray_does() -> None:
    assert 2 * LOOK + PATIENCE + 2 * GRACE <= 15, "from its death to the resume line, and Ray waits for 60 seconds"
    assert PATIENCE > 5 * LOOK, "one lost answer is none too many"


def test_a_head_that_answers_is_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        with Head(address, refuse, patience=0.05, look=0.02) as head:
            for _ in range(5):
                listener.accept()[0].close()
    assert head.lost is None


def test_a_head_that_is_started_again_in_time_is_forgiven() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with Head(f"127.0.0.1:{port}", refuse, patience=30, look=0.02) as head:
        time.sleep(0.2)
        with socket.create_server(("127.0.0.1", port)) as again:
            again.accept()[0].close()
    assert head.lost is None


def test_a_dead_one_interrupts_at_a_good_moment(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"

    def study(interrupts: Interrupts) -> None:
        while True:
            interrupts.check()
            time.sleep(0.01)

    watched = Head(address, refuse, patience=0.1, look=0.02)
    with Interrupts() as interrupts, watched as head, pytest.raises(Interrupted):
        study(interrupts)
    assert head.lost == f"the head of the Ray cluster at {address} is dead (Connection refused)"
    assert capsys.readouterr().err == f"{head.lost}: the study is interrupted\n"


DEAF = """
import signal, sys, time
from dfkd_ray.tune import ray_head
ray_head.GRACE = 0.1
signal.signal(signal.SIGINT, signal.SIG_IGN)
print("begun")
with ray_head.Head(sys.argv[1], lambda: "go on so", patience=0.1, look=0.02):
    time.sleep(60)
"""


def test_where_ray_holds_the_main_thread_the_process_is_left_with_the_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = f"127.0.0.1:{listener.getsockname()[1]}"
    done = subprocess.run([sys.executable, "-c", DEAF, address], cwd=ROOT, capture_output=True, text=True, timeout=50)
    dead = f"the head of the Ray cluster at {address} is dead (Connection refused): the study is interrupted\n"
    assert (done.returncode, done.stdout, done.stderr) == (130, "begun\n", f"{dead}go on so\n")


DRIVER = """
import functools, os, sys
from pathlib import Path
os.environ["RAY_AUTH_MODE"] = "token"
from dfkd_ray import tune
from dfkd_ray.tune import ray_cluster
from tests.tune import toys
ray_cluster.Head = functools.partial(ray_cluster.Head, patience=3, look=0.5)
try:
    toys.start(toys.study(), toys.Toy(pause=0.5), Path(sys.argv[1]), runner="ray", address=sys.argv[2])
except tune.Interrupted as stopped:
    print(stopped, file=sys.stderr)
    sys.exit(130)
"""


@pytest.mark.slow
@pytest.mark.ray
def test_a_study_whose_cluster_loses_its_head_ends_with_the_resume_line(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "RAY_AUTH_MODE": "token"}
    with Holder(num_cpus=1) as holder:
        address = holder.address
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(tmp_path), address],
            cwd=ROOT,
            env=environment,
            text=True,
            stderr=subprocess.PIPE,
        )
        deadline = time.monotonic() + 120
        while sum(each["kind"] == "row" for each in records(tmp_path)) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        holder.kill("head")
        _, said = driver.communicate(timeout=100)
    lines = said.splitlines()
    assert driver.returncode == 130
    assert lines[-2:] == [
        f"the head of the Ray cluster at {address} is dead (Connection refused): the study is interrupted",
        f"interrupted; resume with: dfkd-ray resume {tmp_path}",
    ]
    assert lines[0].startswith("Ray listens on all interfaces (this process ")
    assert (tmp_path / "trials.arrow").exists()


def records(folder: Path) -> list[dict[str, object]]:
    return list(read_records(folder / NAME)[0]) if (folder / NAME).exists() else []
