"""On what something was measured, and what its repetitions tell."""

from __future__ import annotations

import math
import os
import platform
import statistics
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple


class Told(NamedTuple):
    """A median, and an interval that holds the true one in at least 95 of 100 cases (all that was seen, below six)."""

    middle: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.middle:.2f} [{self.low:.2f}, {self.high:.2f}]"


def told(values: Sequence[float]) -> Told:
    """By the order of the values: the number of them below the true median is that of heads among as many coins."""
    ordered, count = sorted(values), len(values)
    outside = 0
    while 2 * sum(math.comb(count, heads) for heads in range(outside + 1)) <= 0.05 * 2**count:
        outside += 1
    at = max(0, outside - 1)
    return Told(statistics.median(ordered), ordered[at], ordered[-1 - at])


def machine() -> str:
    """In one line, with the load and the day."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    cpu = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), platform.machine())
    load = os.getloadavg()[0]
    return f"{cpu}, {os.cpu_count()} cores, load {load:.1f}; Python {platform.python_version()}; {date.today()}"
