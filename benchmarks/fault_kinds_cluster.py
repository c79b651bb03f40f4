"""Accidents of `faults.py` on a cluster of several raylets: nodes join, are killed, are drained; its head and its store
are killed.

A cluster is begun for each try, with a head that runs nothing. The study is a random search, whose trials are the same
in whatever order they run, on all images; it is held to what one process without Ray makes of it.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from fault_kinds import kind
from fault_store import BUCKET, S3
from fault_study import STUDY, Ended, Found, Place, found, fresh

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.tune.holder import Holder  # a cluster whose nodes come and go

RANDOM = STUDY.replace("{name: tpe, startup: 2}", "{name: random, seed: 0}").replace(
    "{name: asha, grace: 2, reduction: 2}", "none"
)
_wanted: list[Found] = []
LIMIT = 300.0  # seconds


class Driver:
    """`dfkd-ray WORDS` at a place; what it says goes to a file, to be looked at while it runs."""

    def __init__(self, place: Place, *words: str, environment: dict[str, str] | None = None) -> None:
        self.place, self.words = place, words
        self._path = place.home / "said"
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1]), **(environment or {})}
        command = [sys.executable, "-m", "dfkd_ray", *words]
        with self._path.open("w") as said:
            self.process = subprocess.Popen(command, cwd=place.home, env=environment, stdout=said, stderr=said)

    @property
    def said(self) -> str:
        return self._path.read_text(errors="replace")

    def until(self, seen: Callable[[], object]) -> float | None:
        """Seconds until something can be seen; None where the process ends without it."""
        began = time.monotonic()
        while time.monotonic() - began < LIMIT:
            over = self.process.poll() is not None
            if seen():
                return time.monotonic() - began
            if over:
                return None
            time.sleep(0.02)
        return None

    def end(self) -> Ended:
        try:
            self.process.wait(LIMIT)
        finally:
            self.process.kill()
        ended = Ended(self.process.returncode, self.said)
        self.place.log.append(f"{' '.join(self.words)}: {ended.code}\n{ended.said}")
        return ended


def _count(place: Place, kind: str) -> int:
    """How many records of a kind the ledger has."""
    path = place.folder / "ledger.jsonl"
    return path.read_bytes().count(f'"kind":"{kind}"'.encode()) if path.exists() else 0


def _prepared(place: Place) -> None:
    """Its study, and what that should come to, which is found out once."""
    (place.home / "study.yaml").write_text(RANDOM)
    if not _wanted:
        whole = fresh(place.home.parent, "undisturbed-random")
        (whole.home / "study.yaml").write_text(RANDOM)
        ended = Driver(whole, "sweep", "study.yaml", "--runner", "serial", "--threads", "1", "--out", "out").end()
        if ended.code:
            raise RuntimeError(ended.said)
        _wanted.append(found(whole.folder)[0])
    place.wanted = _wanted[0]


def _sweep(place: Place, holder: Holder, out: str = "out", environment: dict[str, str] | None = None) -> Driver:
    return Driver(place, "sweep", "study.yaml", "--address", holder.address, "--out", out, environment=environment)


def _begun(place: Place, dice: random.Random, driver: Driver) -> None:
    """Until some epochs have been told, and a moment more."""
    rows = dice.randrange(1, 6)
    driver.until(lambda: _count(place, "row") >= rows)
    time.sleep(dice.uniform(0, 0.5))


def _judged(ended: Ended) -> str | None:
    return None if ended.code == 0 else f"it ended with {ended.code}"


def _counted(nodes: int) -> str:
    return f"the cluster has {nodes} node{'s' if nodes > 1 else ''} now"


@contextmanager
def _two(environment: dict[str, str] | None = None) -> Iterator[Holder]:
    """A head, and two nodes of one cpu."""
    with Holder(environment) as holder:
        for name in ("a", "b"):
            holder.add(name, num_cpus=1)
        yield holder


@kind
def node_added(place: Place, dice: random.Random, seconds: float) -> str | None:
    """Seen: from the start of its raylet until the driver counts it."""
    _prepared(place)
    with Holder() as holder:
        holder.add("a", num_cpus=1)
        driver = _sweep(place, holder)
        _begun(place, dice, driver)
        began = time.monotonic()
        holder.add("b", num_cpus=1)
        if driver.until(lambda: _counted(3) in driver.said) is not None:
            place.seen = time.monotonic() - began
        return _judged(driver.end())


@kind
def node_killed(place: Place, dice: random.Random, seconds: float) -> str | None:
    """kill -9 of a raylet of two. Seen: until the driver counts without it."""
    _prepared(place)
    with _two() as holder:
        driver = _sweep(place, holder)
        _begun(place, dice, driver)
        holder.kill("a")
        place.seen = driver.until(lambda: _counted(2) in driver.said)
        return _judged(driver.end())


@kind
def node_drained(place: Place, dice: random.Random, seconds: float) -> str | None:
    """SIGTERM to one of two, as `ray start --block` answers it. Seen: until its trial has saved and left."""
    _prepared(place)
    with _two() as holder:
        driver = _sweep(place, holder)
        _begun(place, dice, driver)
        began = time.monotonic()
        holder.drain("a")
        if driver.until(lambda: _counted(2) in driver.said) is not None:
            place.seen = time.monotonic() - began
        return _judged(driver.end())


@kind
def head_killed(place: Place, dice: random.Random, seconds: float) -> str | None:
    """kill -9 of the GCS. Seen: until the driver has ended with its tables; then on with another cluster."""
    _prepared(place)
    with _two() as holder:
        driver = _sweep(place, holder)
        _begun(place, dice, driver)
        holder.kill("head")
        place.seen = driver.until(lambda: driver.process.poll() is not None)
        ended = driver.end()
    if ended.code == 0:
        return None
    if ended.code != 130 or "resume with: dfkd-ray resume out" not in ended.said:
        return f"it ended with {ended.code}, or without the resume line"
    with _two() as holder:
        return _judged(Driver(place, "resume", "out", "--address", holder.address).end())


@kind
def store_killed(place: Place, dice: random.Random, seconds: float) -> str | None:
    """The study is in a store, which cannot be reached for 2 to 20 s: nothing is to be seen of it."""
    _prepared(place)
    with S3() as there, _two(there.environment) as holder:
        out = f"s3://{BUCKET}/{place.home.name}"  # the server of this process remembers earlier tries
        place.folder.symlink_to(Path("reports") / "s3" / BUCKET / place.home.name)
        driver = _sweep(place, holder, out, there.environment)
        _begun(place, dice, driver)
        there.kill()
        time.sleep(dice.uniform(2, 20))
        there.begin()
        ended = driver.end()
        if ended.code != 130:
            return _judged(ended)
        return _judged(Driver(place, "resume", out, "--address", holder.address, environment=there.environment).end())
