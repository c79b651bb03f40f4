"""A run on several devices of one machine: a process for each, the ranks, and one beside them that watches.

The processes are torch's own data parallelism and nothing of Ray, so a trial runs alike with and without it. Whoever
iterates computes nothing himself: he never waits in a collective for a rank that is gone, and ends all of them when he
leaves.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle  # what a parent tells its child, through a pipe  # nosec B403
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from dfkd_ray.nets.sharing import Ranks
from dfkd_ray.util import leaving
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.words import counted

Task = Callable[[Ranks, str], Iterator[Any]]
GRACE = 3.0  # seconds that a rank's death may take to be seen where another tells of its consequences
LOOK = 1.0  # seconds between two looks whether all have to leave
_LEAVE = "leave"  # the file that says why
PATIENCE = timedelta(days=7)  # of a collective: who hangs is the watchdog's to say, and an evaluation may take long


def device_of(name: str, rank: int, count: int) -> str:
    """The device of a rank: a GPU of its own, or the CPU for all.

    ConfigError where there are fewer GPUs than ranks, or where they are of several types, which draw other random
    numbers from one seed.
    """
    if name == "cpu" or (name == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if name not in ("auto", "cuda"):
        raise ConfigError.at("runtime.device", f"{count} GPUs of a trial cannot all be {name}: take cuda or auto")
    if torch.cuda.device_count() < count:
        has = f"this process sees {torch.cuda.device_count()}"
        raise ConfigError.at("resources.gpu", f"a trial takes {count}, {has}: take --runner ray, or gpu: 1")
    if len(types := sorted({torch.cuda.get_device_name(each) for each in range(count)})) > 1:
        raise ConfigError.at("resources.gpu", f"the GPUs of a trial are to be of one type, and not {', '.join(types)}")
    return f"cuda:{rank}"


def check_shares(batch: int, count: int) -> None:
    """ConfigError for a batch that so many ranks cannot share evenly."""
    if batch % count:
        less, more = batch - batch % count, batch - batch % count + count
        near = f"{less} or {more}" if less else f"{more}"
        raise ConfigError.at(
            "schedule.batch", f"{counted(batch, 'image')} cannot be shared by {count} GPUs: take {near}"
        )


def together(count: int, task: Task, device: str = "auto") -> Iterator[Any]:
    """What `task(ranks, device)` yields on the first of `count` ranks, each time asked for before it is computed.

    task: can be pickled; on the other ranks what it yields is passed over. device: see `device_of`. An error of any
    rank is raised here; ChildProcessError where one was killed. All ranks end with this iterator.
    """
    context = multiprocessing.get_context("spawn")
    crew: dict[Connection, BaseProcess] = {}
    parcel = _parcel(task, count)
    with tempfile.TemporaryDirectory(prefix="dfkd-ranks-") as meeting, contextlib.ExitStack() as ending:
        for own in range(count):
            here, there = context.Pipe()
            told = (there, Ranks(count, own), device, meeting)
            process = context.Process(target=_rank, args=told, daemon=True, name=f"rank {own} of {count}")
            process.start()
            there.close()
            crew[here] = process
            ending.callback(_end, here, process)
        for line in crew:  # when all have been started: who is sent a lot has to be there
            line.send_bytes(parcel)
        first = next(iter(crew))
        while (found := _told(first, crew, Path(meeting, _LEAVE))) is not None:
            yield found[0]
            with contextlib.suppress(OSError):  # it has died, which is seen where it is listened to
                first.send("on")


def _parcel(task: Task, count: int) -> bytes:
    """The task as it is sent: by hand, since torch would send its tensors through /dev/shm, which may be small."""
    try:
        return pickle.dumps(task)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        why = f"a trial on {count} GPUs has processes of its own, which cannot be sent a part of it ({error})"
        raise ConfigError.at("resources.gpu", f"{why}: define it in a module, or take gpu: 1") from None


def _told(first: Connection, crew: dict[Connection, BaseProcess], leave: Path) -> tuple[Any] | None:
    """What the first rank yields next, in a tuple; None at its end.

    Where this process is told to leave, it tells them so, in a file.
    """
    while True:
        if (why := leaving.told()) and not leave.exists():
            with atomic_write(leave) as file:
                file.write(why.encode())
        for line in wait(list(crew), LOOK):
            assert isinstance(line, Connection)
            kind, what = _read(line)
            if kind in ("error", "dead"):
                raise _worst(what if kind == "error" else None, line, crew)
            if line is first:
                return (what,) if kind == "yield" else None
            crew.pop(line)  # another rank's end


def _read(line: Connection) -> tuple[str, Any]:
    try:
        message: tuple[str, Any] = line.recv()
        return message
    except (EOFError, OSError):
        return "dead", None


def _worst(error: BaseException | None, line: Connection, crew: dict[Connection, BaseProcess]) -> BaseException:
    """The error to raise: a rank's death comes before what the others say when it leaves them alone."""
    others = [process.sentinel for process in crew.values()] if isinstance(error, RuntimeError) else []
    dead = wait(others, GRACE) if error is not None else [crew[line].sentinel]
    if not dead:
        assert error is not None
        return error
    process = next(each for each in crew.values() if each.sentinel in dead)
    process.join(GRACE)
    return ChildProcessError(f"{process.name} has died ({_ending(process.exitcode)}); it goes on from its checkpoint")


def _ending(code: int | None) -> str:
    return f"signal {-code}: killed, or out of memory" if code is not None and code < 0 else f"exit code {code}"


def _end(line: Connection, process: BaseProcess) -> None:
    line.close()
    process.kill()  # what it writes, it writes in one atomic step
    process.join()


def _rank(line: Connection, ranks: Ranks, device: str, meeting: str) -> None:
    """A process of the crew, from its beginning to its end."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    threading.Thread(target=_leave_with_parent, args=(Path(meeting, _LEAVE),), daemon=True).start()
    for each in (signal.SIGINT, signal.SIGTERM):  # meant for whoever watches
        signal.signal(each, signal.SIG_IGN)
    try:
        task = pickle.loads(line.recv_bytes())  # nosec B301
        own = device_of(device, ranks.own, ranks.count)
        _join(ranks, own, meeting)
        for found in task(ranks, own):
            if ranks.own == 0:
                line.send(("yield", found))
                line.recv()
        line.send(("end", None))
    except BaseException as error:
        line.send(("error", _portable(error)))
    line.poll(None)  # and leaves when it is told to: the others may still talk to it


def _join(ranks: Ranks, device: str, meeting: str) -> None:
    """Meet the others: through a file and the loopback, so that nobody else can reach them."""
    if sys.platform == "linux":
        os.environ |= {"GLOO_SOCKET_IFNAME": "lo", "NCCL_SOCKET_IFNAME": "lo"}
    backend = "gloo"
    if device != "cpu":
        backend = "nccl"
        torch.cuda.set_device(device)
    dist.init_process_group(
        backend,
        init_method=f"file://{Path(meeting, 'ranks')}",
        rank=ranks.own,
        world_size=ranks.count,
        timeout=PATIENCE,
    )


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _leave_with_parent(leave: Path) -> None:
    while not leave.exists():
        time.sleep(LOOK)
    leaving.tell(leave.read_text())


def _portable(error: BaseException) -> BaseException:
    """The error, or one that says the same where it does not survive a pipe."""
    with contextlib.suppress(Exception):
        if str(pickle.loads(pickle.dumps(error))) == str(error):  # nosec B301
            return error
    return RuntimeError(f"{type(error).__name__}: {error}")
