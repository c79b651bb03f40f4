"""Works without tensors: learning curves that are formulas, checkpoints that are JSON, ways to go wrong."""

from __future__ import annotations

import ctypes
import errno
import json
import math
import os
import resource
import signal
import struct
import sys
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from dfkd_ray import study as studies
from dfkd_ray.study import Study
from dfkd_ray.tune.launch import StudyFacts
from dfkd_ray.tune.launch import first_record as opened
from dfkd_ray.tune.observers import Observer
from dfkd_ray.tune.options import NOTHING_SAID, Options
from dfkd_ray.tune.summing import Summary
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.errors import ConfigError, TrialFailed
from dfkd_ray.util.yamls import loads


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


_PIXELS = zlib.compress(b"\0" + b"\x40\x80\xc0" * 3 + b"\0" + b"\xff" * 9)
PNG = b"\x89PNG\r\n\x1a\n" + b"".join(  # of 3 x 2 pixels
    [_chunk(b"IHDR", struct.pack(">IIBBBBB", 3, 2, 8, 2, 0, 0, 0)), _chunk(b"IDAT", _PIXELS), _chunk(b"IEND", b"")]
)
CALLS = 0  # how many trials this process has begun: survives between trials where actors are reused

STUDY = """
study: toy
method: m
task: t
objective: {metric: val_accuracy}
search:
  x: {uniform: [0, 1]}
  kind: {choice: [good, bad]}
  extra: {log: [0.1, 10], when: {kind: [good]}}
sampler: {name: tpe, startup: 3}
stopper: {name: asha, grace: 1, reduction: 2}
budget: {trials: 8}
"""


ABLATION = """
study: parts
method: m
task: t
objective: {metric: val_accuracy}
design: leave_one_out
components:
  a: {off: {a: 0}}
  b: {off: {b: 0}}
  c: {off: {c: 0}}
seeds: 3
"""


def study(changes: Mapping[str, str] = {}, text: str = STUDY) -> Study:
    """The toy study with some of its text replaced."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return studies.parse(loads(text, "toy.yaml"))


TASK = {"name": "t"}


def start(
    made: Study,
    work: Any,
    folder: Path,
    *observers: Observer,
    task: Mapping[str, Any] = TASK,
    provenance: Mapping[str, Any] = {"python": "3"},
    runner: Any = "serial",
    **options: Any,
) -> Summary:
    from dfkd_ray import tune

    return tune.start(
        made, work, folder, StudyFacts(provenance, task, {}), Options(runner=runner, **options), *observers
    )


def resume(
    folder: Path,
    work: Any,
    *observers: Observer,
    provenance: Mapping[str, Any] = {"python": "3"},
    runner: Any = None,
    **options: Any,
) -> Summary:
    from dfkd_ray import tune

    how = Options(runner=runner, **options)
    return tune.resume(folder, lambda history, options: (work, {"provenance": provenance}), how, *observers)


def opening(
    made: Study,
    provenance: Mapping[str, Any] = {},
    task: Mapping[str, Any] = {},
    clock: float = 0.0,
    alike: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """The first record of a ledger."""
    return opened(made, StudyFacts(provenance, task, {}), NOTHING_SAID, clock, alike)


class Turns:
    """A pack whose members take turns; `packs` has the members of each step of each pack of this process."""

    packs: ClassVar[list[list[list[int]]]] = []

    def __init__(self, members: Mapping[int, Iterator[Row]]) -> None:
        self.members: dict[int, Any] = dict(members)
        self.steps: list[list[int]] = []
        self.packs.append(self.steps)

    def step(self) -> dict[int, Row | Exception]:
        self.steps.append(list(self.members))
        told: dict[int, Row | Exception] = {}
        for trial in list(self.members):
            try:
                told[trial] = next(self.members[trial])
            except Exception as error:
                told[trial] = error
                del self.members[trial]
        return told

    def leave(self, trial: int) -> None:
        self.members.pop(trial).close()

    def close(self) -> None:
        for trial in list(self.members):
            self.leave(trial)


@dataclass(frozen=True)
class Toy:
    """val_accuracy grows towards a value that depends on x and kind; the checkpoint keeps a running sum."""

    max_epochs: int = 4
    pause: float = 0.0  # s an epoch
    raises_at: int = 0  # epoch
    nan_at: int = 0
    die_at: int = 0  # kill -9 of the own process at this epoch, once a trial (a file remembers)
    ends_at: int = 0  # stop yielding before the last row
    full_at: int = 0  # the disk is full at this epoch, as often as `times` says (a file remembers)
    hangs_at: int = 0  # once a trial
    times: int = 1
    only: tuple[int, ...] = ()  # the trials that go wrong; empty: all
    note: Mapping[str, Any] = field(default_factory=dict)

    def fingerprint(self, changes: Mapping[str, Any]) -> str:
        return json.dumps(changes, sort_keys=True)

    def epochs(self, job: Job) -> Iterator[Row]:
        global CALLS
        CALLS += 1
        folder = Path(job.folder or ".")
        checkpoint = folder / "checkpoint.json"
        state = json.loads(checkpoint.read_text()) if checkpoint.exists() else {"epoch": 0, "sum": 0.0}
        wrong = not self.only or job.trial in self.only
        for epoch in range(state["epoch"] + 1, self.max_epochs + 1):
            time.sleep(self.pause)
            if wrong and epoch == self.raises_at:
                raise TrialFailed(f"the loss is not finite at epoch {epoch}")
            if wrong and epoch == self.die_at and not (folder / "died").exists():
                (folder / "died").write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            if wrong and epoch == self.full_at and _again(folder / "full", self.times):
                raise OSError(errno.ENOSPC, "No space left on device", str(checkpoint))
            if wrong and epoch == self.hangs_at and _again(folder / "hung", self.times):
                time.sleep(600)
            if epoch == self.ends_at:
                return
            state = {"epoch": epoch, "sum": state["sum"] + job.changes.get("x", 0.5)}
            last = epoch == self.max_epochs
            value = math.nan if wrong and epoch == self.nan_at else self.value(job, epoch)
            metrics = {"val_accuracy": value, "kl/noise": 1 - value, "sum": state["sum"]}
            yield Row(
                epoch=epoch,
                seconds=0.5 * epoch,
                metrics=metrics,
                picture=PNG if epoch == 1 else None,
                last=last,
                final={"test_accuracy/last": value, "calls": float(CALLS)} if last else {},
                peak_memory=1000 * epoch,
                host="here",
                device=str(os.getpid()),
                fingerprint="f",
                method={"name": "m", "changes": dict(job.changes)},
            )
            folder.mkdir(parents=True, exist_ok=True)
            temporary = folder / ".tmp"
            temporary.write_text(json.dumps(state))
            os.replace(temporary, checkpoint)  # after the row was taken: a row that was lost comes again

    def fused(self, jobs: Sequence[Job]) -> Turns:
        return Turns({job.trial: self.epochs(job) for job in jobs})

    def value(self, job: Job, epoch: int) -> float:
        top = 0.9 - (job.changes.get("x", 0.5) - 0.7) ** 2 - (0.2 if job.changes.get("kind") == "bad" else 0.0)
        return float(top * (1 - 0.5**epoch) + 0.001 * job.seed)


@dataclass(frozen=True)
class Meeting(Toy):
    """A trial begins when so many processes are there, each with a file of its name in a folder; or after 2 min."""

    folder: str = ""
    processes: int = 2

    def epochs(self, job: Job) -> Iterator[Row]:
        (Path(self.folder) / str(os.getpid())).touch()
        deadline = time.monotonic() + 120
        while len(os.listdir(self.folder)) < self.processes and time.monotonic() < deadline:
            time.sleep(0.05)
        yield from super().epochs(job)


def _again(memory: Path, times: int) -> bool:
    """Whether it has happened less often than that; counts it."""
    before = int(memory.read_text()) if memory.exists() else 0
    memory.write_text(str(before + 1))
    return before < times


ALONE = {"a": 0.10, "b": 0.05, "c": -0.02}  # what each part adds
TOGETHER = 0.04  # what a and b add besides where both are on


@dataclass(frozen=True)
class Parts:
    """val_accuracy adds up from parts that are known, so that every effect is: the oracle of all ablations.

    What a seed adds is the same for all arms, so that it cancels in pairs; `noise` does not cancel. `bend`: the best x
    depends on a, so that a setting that suits one arm does not suit another.
    """

    max_epochs: int = 2
    noise: float = 0.0
    bend: float = 0.0
    pause: float = 0.0  # s an epoch
    fails: tuple[tuple[str, int | None], ...] = ()  # (arm, seed; None: all of them): an exception
    needs: tuple[tuple[str, str], ...] = ()  # (part, another): the one is refused without the other
    nans: tuple[tuple[str, int | None], ...] = ()  # nan at the last epoch

    def resolved(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        return {"a": 1, "b": 1, "c": 1, "x": 0.5, **changes}

    def fingerprint(self, changes: Mapping[str, Any]) -> str:
        m = self.resolved(changes)
        for part, other in self.needs:
            if m[part] and not m.get(other):
                raise ConfigError.at(part, f"needs {other}")
        return json.dumps({**m, "epochs": self.max_epochs}, sort_keys=True)

    def value(self, changes: Mapping[str, Any], seed: int) -> float:
        """At the last epoch."""
        m = self.resolved(changes)
        code = m["a"] + 2 * m["b"] + 4 * m["c"]
        apart = self.noise * math.sin(100 * seed + 7 * code + 3 * seed * code)
        best = 0.2 if m["a"] else 0.8
        parts = sum(ALONE[name] * m[name] for name in ALONE) + TOGETHER * m["a"] * m["b"]
        return float(0.4 + parts + 0.05 * math.sin(1.7 * seed) + apart - self.bend * (m["x"] - best) ** 2)

    def epochs(self, job: Job) -> Iterator[Row]:
        for epoch in range(1, self.max_epochs + 1):
            time.sleep(self.pause)
            last = epoch == self.max_epochs
            if last and {(job.arm, job.seed), (job.arm, None)} & set(self.fails):
                raise TrialFailed(f"trial {job.trial} cannot go on")
            value = self.value(job.changes, job.seed) - 0.1 * (self.max_epochs - epoch)
            if last and {(job.arm, job.seed), (job.arm, None)} & set(self.nans):
                value = math.nan
            yield Row(
                epoch=epoch,
                seconds=0.25 * epoch,
                metrics={"val_accuracy": value, "kl/noise": 1 - value, "loss/student/total": 2.0},
                picture=PNG if epoch == 1 else None,
                last=last,
                final={"test_accuracy/last": value - 0.01, "images/student": 64.0} if last else {},
                peak_memory=1000 * epoch,
                host="here",
                device="cpu",
                fingerprint=self.fingerprint(job.changes),
                method=self.resolved(job.changes),
            )


@dataclass(frozen=True)
class Probe:
    """One epoch that reports what its process looks like, in `device`; `ballast` makes the work heavy to send."""

    max_epochs: int = 1
    ballast: bytes = b""

    def epochs(self, job: Job) -> Iterator[Row]:
        at_exec = dict(item.split("=", 1) for item in Path("/proc/self/environ").read_text().split("\0") if "=" in item)
        seen = {
            "pid": os.getpid(),
            "node": ray_node(),
            "torch": "torch" in sys.modules,
            "job_threads": job.threads,
            "at_exec": {key: at_exec.get(key) for key in ("OMP_NUM_THREADS", "GLIBC_TUNABLES", "RAY_AUTH_MODE")},
            "now": {key: os.environ.get(key) for key in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "CUDA_VISIBLE_DEVICES")},
            "ballast": len(self.ballast),
            "faults": page_faults(),
        }
        yield Row(1, 1.0, {"val_accuracy": 0.5}, last=True, device=json.dumps(seen))


def page_faults() -> int:
    """Pages that are faulted in when 40 MB are taken and given back five times, after a first time."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    libc.memset.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_size_t]
    before = 0
    for turn in range(6):
        block = libc.malloc(40_000_000)
        libc.memset(block, 1, 40_000_000)
        libc.free(block)
        if turn == 0:
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def ray_node() -> str | None:
    """The node that this process is a worker of."""
    if "ray" not in sys.modules:
        return None
    import ray

    return str(ray.get_runtime_context().get_node_id())


class Unsendable:
    """A work that cannot be unpickled where it arrives."""

    max_epochs = 1

    def __reduce__(self) -> Any:
        return (_refuse, ())

    def epochs(self, job: Job) -> Iterator[Row]:
        yield from ()


def _refuse() -> None:
    raise RuntimeError("no such module here")
