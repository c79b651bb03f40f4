"""What of this machine a process may use: a scheduler, a container or `taskset` often gives it less than there is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


def cores() -> int:
    """CPU cores that this process may use: those of its affinity, and no more than the quotas of its cgroups."""
    own = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, int(min([own, *_quotas()])))


def decoders() -> ThreadPoolExecutor:
    """Threads that read and decode images: as many as Python's own rule takes, of the cores that we may use."""
    return ThreadPoolExecutor(min(32, cores() + 4))


def _quotas() -> Iterator[float]:
    """In cores, of the process's cgroup and of all above it, in version 2 (`cpu.max`) and version 1 (CFS).

    A container often sees itself at the root and its own path from outside, so a folder that is not there is skipped.
    """
    try:
        lines = OWN.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        names = (controllers, "cpu") if controllers else ("", "unified")
        for root in {CGROUPS / name for name in names}:
            inside = root / path.lstrip("/")
            for folder in (inside, *inside.parents):
                if folder.is_relative_to(root):
                    yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    """Quota over period, where the folder limits them at all: `max` and -1 stand for no limit."""
    try:
        names = ("cpu.max",) if (folder / "cpu.max").is_file() else ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota, period = " ".join((folder / name).read_text(encoding="utf-8") for name in names).split()
        if float(quota) > 0:
            yield float(quota) / float(period)
    except (OSError, ValueError, ZeroDivisionError):
        return
