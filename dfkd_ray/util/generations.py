"""Checkpoints in two generations: where the newest is damaged, the one before it goes on, else the start."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

from dfkd_ray.util.files import remove_leftovers
from dfkd_ray.util.sealed import is_sound, sealed_write


class Unsound(Exception):
    """What a checkpoint needs beside its own file is lost, or is not what it was."""


def before(path: Path) -> Path:
    """Where the generation before the one at `path` stands: `checkpoint_before.pt`."""
    return path.with_name(f"{path.stem}_before{path.suffix}")


def write(path: Path, dump: Callable[[BinaryIO], None]) -> None:
    """Write a checkpoint in one atomic step, sealed; the one that was there stays beside it.

    At no time are there more than two on the disk. A write that fails leaves the one that was there.
    """
    if path.is_file():
        before(path).unlink(missing_ok=True)
        try:
            os.link(path, before(path))
        except OSError:  # a file system without links
            path.replace(before(path))
    with sealed_write(path) as file:
        dump(file)


def read(path: Path, load: Callable[[Path], Any]) -> Any:
    """What `load` reads from the newest checkpoint that is sound; None where there is none.

    One that is damaged, or that `load` finds Unsound, is said and removed. OSError where one cannot be read.
    """
    for each in (path, before(path)):
        remove_leftovers(each)
    for each, instead in ((path, before(path)), (before(path), None)):
        if not each.exists():
            continue
        with suppress(Unsound):
            if is_sound(each):
                return load(each)
        each.unlink()
        left = "the one before it goes on" if instead is not None and instead.exists() else "it begins anew"
        print(f"warning: {each}: a damaged checkpoint, removed: {left}, to the same end", file=sys.stderr, flush=True)
    return None


def remove(path: Path) -> None:
    """Both generations, where they are."""
    for each in (path, before(path)):
        each.unlink(missing_ok=True)
