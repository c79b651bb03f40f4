"""Locks between processes: each ends with the process that took it, however that ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock


_MOMENT = 0.2  # seconds


class Taken(Exception):
    """Another holds the lock. The text says who, as far as it is known: `process 12 on host`."""


def take(path: Path) -> BaseFileLock:
    """Lock the file `path`, made for that, at once; `release()` unlocks it, and so does the end of what is returned.

    Taken where another process, or another part of this one, has it for longer than a moment: `holder` only looks. A
    child that is forked meanwhile does not hold it: filelock closes the child's descriptor.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=_MOMENT, thread_local=False, fallback_to_soft=False)
    try:
        lock.acquire(poll_interval=_MOMENT / 10)
    except Timeout:
        raise Taken(_said(path)) from None
    path.write_text(f"process {os.getpid()} on {socket.gethostname()}\n", encoding="utf-8")
    return lock


def holder(path: Path) -> str | None:
    """Who has the lock now, `process 12 on host`; None where nobody has, or where there is no such file.

    Only looks: the file is not written, and is held for as long as the look takes.
    """
    from filelock import lock_descriptor

    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return None if lock_descriptor(handle, blocking=False) else _said(path)
    except OSError:  # a file system without locks: nobody can have one
        return None
    finally:
        os.close(handle)


def _said(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace").strip() or "another process"


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """One process, and one thread, at a time within the block; none waits where the file system has no locks.

    The folder itself is locked, so nothing has to be left in it.
    """
    from filelock import lock_descriptor

    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            lock_descriptor(handle)
        yield
    finally:
        os.close(handle)
