"""Where decoded images lie: in a file that is mapped (`memmap`), or in the memory of the process (`memory`)."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from dfkd_ray.util.choices import Cache
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import atomic_write, remove_leftovers
from dfkd_ray.util.locks import alone
from dfkd_ray.util.sealed import TRAILER, is_sound, seal_file

CHECKED = 2**30  # bytes: a second or two


def kept(path: Path, cache: Cache, write: Callable[[BinaryIO], tuple[int, ...]]) -> NDArray[np.uint8]:
    """The bytes that `write` writes, as an array of the shape that it returns.

    memory: nothing is written to the disk. memmap: they are those of the `.npy` at `path`, mapped, which is made where
    it is not, by one process at a time; what is mapped costs memory only where it is looked at. A damaged one is said
    and made again; above CHECKED bytes nobody looks, since that takes as long as to read all of it.
    """
    if cache == "memory":
        held = io.BytesIO()
        shape = write(held)
        return np.frombuffer(held.getbuffer(), np.uint8).reshape(shape)
    try:
        if not _there(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with alone(path.parent):
                if not _there(path):  # now that whoever was writing is done
                    remove_leftovers(path)
                    with atomic_write(path) as file:
                        _npy(file, write)
                        file.seek(0, os.SEEK_END)
                        file.write(TRAILER)
                        seal_file(file)
        # copy-on-write, because torch wants arrays that could be written to
        pixels: NDArray[Any] = np.load(path, mmap_mode="c")
    except (OSError, ValueError) as error:
        advice = "delete it, or set DFKD_RAY_DATA to a folder with room for another, or --cache memory"
        raise DataError(f"{path}: this cache of images cannot be written or read ({advice}): {error}") from None
    return pixels


def _there(path: Path) -> bool:
    """Whether the file is there, and as it was written."""
    if not path.is_file():
        return False
    if path.stat().st_size <= CHECKED and is_sound(path) is False:
        print(f"warning: {path}: this cache of images is damaged, and made again", file=sys.stderr, flush=True)
        path.unlink(missing_ok=True)
        return False
    return True


def _npy(file: BinaryIO, write: Callable[[BinaryIO], tuple[int, ...]]) -> None:
    """A header, the bytes, and the header again with their shape, which is known at the end; it takes the same room.

    Written in order rather than through a map, because a full disk is then an error and not a crash.
    """
    _header(file, (0,))
    began = file.tell()
    shape = write(file)
    file.seek(0)
    _header(file, shape)
    if file.tell() != began:
        raise ValueError(f"a shape of {len(shape)} numbers is too long for the header of an .npy")


def _header(file: BinaryIO, shape: tuple[int, ...]) -> None:
    np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
