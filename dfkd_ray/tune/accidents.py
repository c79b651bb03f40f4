"""An accident is not a result: what met the machine, and not the method, is told to nobody who learns from trials.

A trial that an accident has met is tried again, from its last good checkpoint. An attempt that gained no epoch counts;
after too many of them in a row the trial is set aside until somebody resumes the study.
"""

from __future__ import annotations

import platform
import sys
import traceback
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from dfkd_ray.tune.trials import Trial
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import why
from dfkd_ray.util.secrets import redacted
from dfkd_ray.util.store import url_of

_MACHINE = (OSError, MemoryError, EOFError, DataError)  # DataError: what a trial reads was there when the study began
_NO_MEMORY = ("can't allocate memory", "not enough memory", "_STATUS_ALLOC_FAILED", "out of memory")  # torch's words
_DEVICE = ("CUDA error", "HIP error", "NCCL error")
_OWN_FAULT = "device-side assert"  # a label out of range, say: the code's, though CUDA tells it


class Accident(Exception):
    """Carries the reason of an accident out of a worker."""


class Hung(Exception):
    """A trial has reported nothing for so long that it is taken to hang."""


def is_accident(error: BaseException) -> bool:
    """Whether an exception in a trial tells of the machine (disk, memory, device, a lost node), not of the method."""
    if isinstance(error, (*_MACHINE, Accident, Hung)) or type(error).__module__.startswith("ray."):
        return True
    if "OutOfMemoryError" in {kind.__name__ for kind in type(error).__mro__}:  # torch's, which is not imported here
        return True
    text = str(error)
    if not isinstance(error, RuntimeError) or _OWN_FAULT in text:
        return False
    return any(said in text for said in (*_NO_MEMORY, *_DEVICE))


def check_seen(folder: str | None) -> None:
    """Accident where this node does not see the folder that the driver has made for a trial: what is left in one of
    that name here would stay here, and a trial that moves would begin anew."""
    if folder is not None and url_of(folder) is None and not Path(folder).is_dir():
        said = f"{platform.node()} does not see {folder}: nodes without a shared disk need --out s3://BUCKET/STUDY"
        raise Accident(f"{said} (gs://, az://)")


def reason(error: BaseException) -> str:
    """An exception as a trial's reason: type and message, then the line of own code where it was raised."""
    if isinstance(error, Accident):
        return str(error)
    said = why(error) if isinstance(error, OSError) else str(error)
    return redacted("\n".join([f"{type(error).__name__}: {said}", *_place(error)]))


def _place(error: BaseException) -> list[str]:
    """The innermost line that is not a library's; of all libraries the innermost."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if not _library(frame.filename)] or list(frames)
    return [f"{f.filename}:{f.lineno} in {f.name}: {f.line}" for f in own[-1:]]


def _library(file: str) -> bool:
    beside = "dist-packages" in file or "site-packages" in file
    return (beside and "dfkd_ray" not in Path(file).parts) or file.startswith(f"{sys.base_prefix}/lib/python")


@dataclass
class Recovery:
    """What becomes of trials that an accident has met. `waiting`: to be tried again; `aside`: tried too often."""

    retries: int
    waiting: deque[Trial] = field(default_factory=deque)
    aside: list[Trial] = field(default_factory=list)
    in_vain: int = 0  # trials that were set aside since an epoch was gained anywhere

    def met(self, trial: Trial) -> None:
        """An accident has met a trial, and its history knows."""
        if trial.stalled <= self.retries:
            self.waiting.append(trial)
        else:
            self.aside.append(trial)
            self.in_vain += 1

    @property
    def next_stalled(self) -> bool:
        """Whether the next that is tried again gained no epoch when it was last tried."""
        return bool(self.waiting and self.waiting[0].stalled)

    def gained(self) -> None:
        """Some trial has done an epoch: so trials can be run."""
        self.in_vain = 0

    def hopeless(self, at_once: int) -> bool:
        """Whether more trials in a row than run at a time could not be run: then no other can be, as it seems."""
        return self.in_vain > at_once

    @property
    def cause(self) -> str | None:
        """Why a study cannot go on, in a line: of the trial that was set aside last; None where there is none."""
        return (self.aside[-1].reason or "").partition("\n")[0] if self.aside else None
