"""How a run is computed, which never changes what a method is."""

from __future__ import annotations

import ctypes
import resource
import sys
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from dfkd_ray.nets.precision import autocast, check_precision
from dfkd_ray.util import limits, yamls
from dfkd_ray.util.choices import Cache, Precision
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.host import cores


@dataclass(frozen=True)
class Runtime:
    """How a run is computed, never what: no part of a fingerprint.

    device: "auto" takes a GPU where there is one. precision: see `nets.precision`; all but float32 run under autocast.
    threads: of torch for this process; 0 leaves torch's own choice, as far as the cores that are ours go. cache: where
    the decoded images of folders lie that a student is evaluated on: "memmap", once on the disk for all processes, or
    "memory", of each process.
    """

    device: str = "auto"
    precision: Precision = "float32"
    threads: int = 0
    cache: Cache = "memmap"

    def __post_init__(self) -> None:
        limits.check_fields(self)
        if self.threads < 0:
            raise ValueError(f"threads must be at least 0, got {self.threads}")

    def open(self) -> torch.device:
        """Set the threads and return the device; ConfigError if it is not there or lacks the precision.

        What is live of it is torch's own.
        """
        if self.threads or torch.get_num_threads() > cores():
            torch.set_num_threads(self.threads or cores())
        name = self.device
        if name == "auto":
            name = "cuda" if torch.cuda.is_available() else "cpu"
        try:
            device = torch.device(name)
            torch.empty(0, device=device)
        except (RuntimeError, AssertionError) as error:
            reason = str(error).splitlines()[0]
            raise ConfigError.at("runtime.device", f"{self.device!r} cannot be used here: {reason}") from None
        check_precision(self.precision, device, "runtime.precision")
        return device

    def autocast(self, device: torch.device) -> AbstractContextManager[Any]:
        return autocast(self.precision, device)


def device_name(device: torch.device, count: int) -> str:
    """What a row says of so many of them."""
    name = str(torch.cuda.get_device_name(device)) if device.type == "cuda" else device.type
    return name if count == 1 else f"{count} x {name}"


class Meter:
    """The highest memory of a run, in bytes: what it allocated on a GPU, else what its process held resident.

    Processes go from trial to trial, so the mark that Linux keeps is set back where a run begins. Elsewhere it cannot
    be: then it is that of the whole process, which is what `getrusage` tells.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.status = Path("/proc/self/status")
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            return
        try:
            _give_back()
            Path("/proc/self/clear_refs").write_text("5")  # proc(5): sets VmHWM back to what is resident now
        except OSError:
            self.status = Path()

    def peak(self) -> int:
        if self.device.type == "cuda":
            return int(torch.cuda.max_memory_allocated(self.device))
        if self.status.is_file():
            marks = dict(line.split(":", 1) for line in self.status.read_text().splitlines() if ":" in line)
            return int(marks["VmHWM"].split()[0]) * 1024
        return _resident()


def _give_back() -> None:
    """Return what earlier trials have left to the system: glibc keeps it, above all under the tunables that make
    training on the CPU fast."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc alone has it
    if trim is not None:
        trim(0)


def _resident() -> int:
    """The mark of the whole process, in bytes: Linux counts KiB, macOS bytes."""
    mark = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return mark if sys.platform == "darwin" else mark * 1024


def parse_runtime(raw: Mapping[str, Any] | Iterable[tuple[str, Any]] | None) -> Runtime:
    """A Runtime from plain data."""
    return yamls.typed(Runtime, dict(raw or {}))
