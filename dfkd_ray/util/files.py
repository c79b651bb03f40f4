"""Atomic writes: a file, or its new end, is there or it is not, whoever is killed, and whatever disk is full."""

from __future__ import annotations

import errno
import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedWriter, FileIO
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def atomic_write(path: Path) -> Iterator[BinaryIO]:
    """A file to write, which takes the name `path` when the block ends and its bytes are on the disk.

    What fails within leaves the earlier file as it is, and nothing else; an OSError names `path`, and is raised in
    place of what a library makes of it (torch says "unexpected pos" of a full disk).
    """
    temporary, raw = path.with_name(f".{path.name}.{os.getpid()}"), None
    try:
        raw = _Raw(temporary, "wb")
        with BufferedWriter(raw) as file:
            yield file
        replace(temporary, path)
    except Exception as error:
        own = error if isinstance(error, OSError) else None if raw is None else raw.failed
        if own is None:
            raise
        raise OSError(own.errno, own.strerror or str(own), str(path)) from error
    finally:
        temporary.unlink(missing_ok=True)


class _Raw(FileIO):
    """Remembers why it could not be written."""

    failed: OSError | None = None

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            self.failed = error
            raise


def replace(beside: Path, path: Path) -> None:
    """Give a file, or a folder with all that is in it, the name `path` once its bytes are on the disk.

    For what others write by name; `atomic_write` does it for the rest. A file takes the place of an earlier one in one
    step; an earlier folder is removed just before, as no folder can take the place of another. An OSError names `path`.
    """
    try:
        for file in (file for file in (beside, *beside.rglob("*")) if file.is_file()):
            with file.open("rb") as written:
                os.fsync(written.fileno())
        if beside.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(beside, path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def remove_leftovers(path: Path) -> None:
    """Remove what processes that were killed within `atomic_write(path)` left over."""
    for torn in path.parent.glob(f".{glob.escape(path.name)}.*"):
        torn.unlink(missing_ok=True)


def append(handle: int, data: Any, end: int, wait: bool = True) -> int:
    """Write bytes at the end of an open file, wait until they are on the disk, and return where it ends then.

    Without `wait` they may be on the disk later only, which a crash of the process does not matter to.

    OSError if that cannot be, and the file is as it was.
    """
    try:
        written = os.pwrite(handle, data, end)
        if written < len(data):
            raise OSError(errno.ENOSPC, f"only {written} of {len(data)} bytes were written")
        if wait:
            os.fsync(handle)
    except OSError:
        os.ftruncate(handle, end)
        raise
    return end + len(data)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def anchored(name: str, *roots: Path) -> str:
    """A name with the absolute path of the file or folder that it is under the first of the roots that has it (without
    roots, from where one stands); else as it is, which may be the name of something else."""
    there = (root / Path(name).expanduser() for root in roots or (Path(),))
    return next((str(each.resolve()) for each in there if each.exists()), name)


def why(error: OSError) -> str:
    """What an OSError tells a user: the path, and of a full disk which one, and how much is free."""
    if error.errno not in (errno.ENOSPC, errno.EDQUOT):
        return str(error) if error.filename is None else f"{error.filename}: {error.strerror or type(error).__name__}"
    if error.filename is None:
        return "no space left on the disk"
    place = Path(os.fsdecode(error.filename)).absolute()
    there = next(path for path in (place, *place.parents) if path.exists())
    disk = next(path for path in (there, *there.parents) if path.is_mount() or path == path.parent)
    what = "no space left" if error.errno == errno.ENOSPC else "the quota is used up"
    return f"{place}: {what} on {disk}, {_size(shutil.disk_usage(there).free)} free"


def _size(count: int) -> str:
    """`12 KB`: bytes for a line of the terminal, rounded down."""
    for unit in ("bytes", "KB", "MB"):
        if count < 1000:
            return f"{count} {unit}"
        count //= 1000
    return f"{count} GB"
