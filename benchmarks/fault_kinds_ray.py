"""Accidents of `faults.py` under Ray: a worker, the driver, the head of the cluster is killed at any time.

Workers are processes of their own, so nothing is made small here: the same study on all images, held to what one
process without Ray makes of it.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from fault_kinds import kind
from fault_study import Ended, Found, Place, found, fresh

_wanted: list[Found] = []


def _begun(place: Place, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "dfkd_ray", *words]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
    return subprocess.Popen(command, cwd=place.home, env=environment, text=True, **pipes)  # type: ignore[call-overload]


def _end(place: Place, process: subprocess.Popen[str], what: str) -> Ended:
    try:
        said, _ = process.communicate(timeout=300)
    except BaseException:
        process.terminate()
        raise
    place.log.append(f"{what}: {process.returncode}\n{said}")
    return Ended(process.returncode, said)


def _sweep(place: Place) -> subprocess.Popen[str]:
    """One trial at a time, so that it is the same study; what it should come to is found out once."""
    if not _wanted:
        whole = fresh(place.home.parent, "undisturbed-whole")
        process = _begun(whole, "sweep", "study.yaml", "--runner", "serial", "--threads", "1", "--out", "out")
        if (ended := _end(whole, process, "sweep")).code:
            raise RuntimeError(ended.said)
        _wanted.append(found(whole.folder)[0])
    place.wanted = _wanted[0]
    return _begun(place, "sweep", "study.yaml", "--concurrency", "1", "--out", "out")


def _finished(place: Place) -> str | None:
    process = _begun(place, "resume", "out") if place.begun else _sweep(place)
    ended = _end(place, process, "resume")
    return None if ended.code == 0 else f"going on ended with {ended.code}"


def _below(pid: int) -> dict[int, str]:
    """The processes that descend from one, with their command lines."""
    above: dict[int, int] = {}
    names: dict[int, str] = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            above[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            names[int(path.name)] = (path / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has ended meanwhile
            continue

    def descends(child: int) -> bool:
        while child in above and child != pid:
            child = above[child]
        return child == pid

    return {child: names[child] for child in names if child != pid and descends(child)}


def _waited_for(place: Place, process: subprocess.Popen[str], records: int) -> bool:
    """Until the ledger has so many lines; whether the process is still there then."""
    path = place.folder / "ledger.jsonl"
    while process.poll() is None and (not path.exists() or path.read_bytes().count(b"\n") < records):
        time.sleep(0.02)
    return process.poll() is None


def _struck(place: Place, dice: random.Random, name: str) -> Ended:
    """A sweep of which the processes of that name are killed when the ledger has some records."""
    process = _sweep(place)
    if _waited_for(place, process, dice.randrange(2, 14)):
        time.sleep(dice.uniform(0, 0.5))
        pids = [pid for pid, line in _below(process.pid).items() if name in line]
        for pid in pids or [process.pid]:
            os.kill(pid, signal.SIGKILL)
    return _end(place, process, f"sweep, {name} killed")


@kind
def ray_worker(place: Place, dice: random.Random, seconds: float) -> str | None:
    """The study goes on by itself."""
    ended = _struck(place, dice, "ray::_Trial")
    return None if ended.code == 0 else finished_or(place, ended, (-signal.SIGKILL,))


@kind
def ray_driver(place: Place, dice: random.Random, seconds: float) -> str | None:
    process = _sweep(place)
    _waited_for(place, process, dice.randrange(1, 14))
    time.sleep(dice.uniform(0, 0.5))
    process.kill()
    _end(place, process, "sweep, killed")
    return _finished(place)


@kind
def ray_head(place: Place, dice: random.Random, seconds: float) -> str | None:
    """The head of the cluster: the driver ends as an interrupt does, with the cause and the way on."""
    ended = _struck(place, dice, "gcs_server")
    if ended.code == 130 and "resume with: dfkd-ray resume out" not in ended.said:
        return "no resume line"
    return finished_or(place, ended, (0, 130))


def finished_or(place: Place, ended: Ended, allowed: tuple[int, ...]) -> str | None:
    """Go on after an end that is allowed."""
    return _finished(place) if ended.code in allowed else f"it ended with {ended.code}"
