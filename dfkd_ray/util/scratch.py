"""Folders that are gone when their process is, however that ends."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dfkd_ray.util.locks import Taken, take

_PREFIX = "dfkd-ray-scratch-"
_LOCK = "lock"


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder for the block; those that killed processes of this user left over go too."""
    _remove_left_over()
    outer = Path(tempfile.mkdtemp(prefix=_PREFIX))
    lock = take(outer / _LOCK)
    inner = outer / "in"
    inner.mkdir()
    try:
        yield inner
    finally:
        shutil.rmtree(outer, ignore_errors=True)
        lock.release()


def _remove_left_over() -> None:
    for outer in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        try:
            told = outer.lstat()
            if not (stat.S_ISDIR(told.st_mode) and told.st_uid == os.getuid() and (outer / _LOCK).is_file()):
                continue  # nobody's, or one that is being made
            take(outer / _LOCK).release()  # of a process that is alive: Taken
        except (OSError, Taken):
            continue
        shutil.rmtree(outer, ignore_errors=True)
