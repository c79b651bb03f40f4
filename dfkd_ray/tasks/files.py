"""Image files as one array: each decoded, its shorter side resized and its centre cropped, once, into a cache on disk.

The cache is a plain `.npy` (N, C, side, side) of uint8 in `data_folder()/cache`, named by task, split, side and a
digest of all that decides its bytes: names, sizes and times of the files, and how they are cut. A changed file makes
another cache; an old one may be deleted at any time. It is written under another name and renamed when it is whole, by
one process at a time, and mapped when it is read, so that ImageNet's 50,000 test images (7.5 GB at 224 pixels) cost
memory only where they are looked at.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dfkd_ray.errors import DataError
from dfkd_ray.tasks.task import Task

MODES = {1: "L", 3: "RGB"}  # by the channels of a task
_REVISION = 1  # of decoding and cutting: another number makes other caches
_CHUNK = 256  # files at a time
_SHOWN = 10  # damaged files in a message
_SLOW = 2.0  # seconds without a word


def data_folder() -> Path:
    """Where data sets live unless the user says: $DFKD_RAY_DATA, else ~/.cache/dfkd-ray."""
    return Path(os.environ.get("DFKD_RAY_DATA") or Path.home() / ".cache" / "dfkd-ray")


@dataclass(frozen=True)
class Files:
    """Image files that nobody has read yet, by name under `root`; a slice of them is files again."""

    root: Path
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, part: slice) -> Files:
        return replace(self, names=self.names[part])

    def read(self, task: Task, which: str) -> NDArray[Any]:
        """Images (N, side, side, C) uint8 of the task's size, mapped from the cache, which is written where it is not.

        Raises DataError with the names of the files that are no whole images.
        """
        channels, side, width = task.image
        if side != width or channels not in MODES:
            raise DataError(
                f"{self.root}: image files are cut to squares, grey or RGB, but image of {task.name} is {task.image}"
            )
        folder = data_folder() / "cache"
        name = re.sub(r"\W", "_", f"{task.name}_{which}_{side}px_") + self._digest(channels, side, task.crop)
        path = folder / f"{name}.npy"
        try:
            if not path.is_file():
                folder.mkdir(parents=True, exist_ok=True)
                with _alone(folder):
                    if not path.is_file():  # now that whoever was writing is done
                        self._write(path, channels, side, task.crop, f"{task.name}, {which}")
            # copy-on-write, because torch wants arrays that could be written to
            pixels: NDArray[Any] = np.load(path, mmap_mode="c")
        except (OSError, ValueError) as error:
            advice = "delete it, or set DFKD_RAY_DATA to a folder with room for another"
            raise DataError(f"{path}: this cache of images cannot be written or read ({advice}): {error}") from None
        return pixels.transpose(0, 2, 3, 1)

    def _digest(self, channels: int, side: int, crop: float) -> str:
        digest = hashlib.sha256(repr((_REVISION, channels, side, crop)).encode())
        for name in self.names:
            try:
                found = (self.root / name).stat()
            except OSError as error:
                raise DataError(f"{self.root / name}: cannot be read: {error}") from None
            digest.update(f"{name}\0{found.st_size}\0{found.st_mtime_ns}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]

    def _write(self, path: Path, channels: int, side: int, crop: float, title: str) -> None:
        unfinished = path.with_name(f"{path.stem}_{uuid4().hex[:8]}.part")
        try:
            with unfinished.open("wb") as file:
                damaged = self._decode(file, channels, side, crop, title)
                os.fsync(file.fileno())
            if not damaged:
                unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
        if damaged:
            more = [f"and {len(damaged) - _SHOWN} more"] if len(damaged) > _SHOWN else []
            said = "\n  ".join([*damaged[:_SHOWN], *more])
            raise DataError(f"{len(damaged)} of {len(self)} files cannot be read as images:\n  {said}")

    def _decode(self, file: BinaryIO, channels: int, side: int, crop: float, title: str) -> list[str]:
        """Write a header and the images one after another; returns what is said of the damaged ones.

        In threads: Pillow lets go of the interpreter while it decodes and resizes. Written in order rather than through
        a map, because a full disk is then an error and not a crash.
        """
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(self), channels, side, side)}
        np.lib.format.write_array_header_1_0(file, header)
        damaged: list[str] = []
        one = partial(_picture, mode=MODES[channels], side=side, crop=crop)
        with ThreadPoolExecutor() as pool, _telling(title, len(self)) as tell:
            for start in range(0, len(self), _CHUNK):
                paths = [self.root / name for name in self.names[start : start + _CHUNK]]
                for pixels in pool.map(one, paths):
                    if isinstance(pixels, str):
                        damaged.append(pixels)
                    elif not damaged:
                        file.write(pixels.tobytes())
                tell(start + len(paths))
        return damaged


def _picture(path: Path, mode: str, side: int, crop: float) -> NDArray[np.uint8] | str:
    """(C, side, side) of a file, or what is wrong with it.

    Grey, palette and CMYK become RGB, an alpha channel is dropped, and no EXIF tag turns the image: what torchvision's
    loader of folders does. Bilinear with antialiasing, and rounded as torchvision's Resize and CenterCrop do.
    """
    try:
        with Image.open(path) as image:
            picture = image.convert(mode)
    except Exception as error:  # a damaged file raises almost anything
        return f"{path}: {str(error) or type(error).__name__}"
    short = round(side / crop)
    width, height = picture.size
    wide, high = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    picture = picture.resize((wide, high), Image.Resampling.BILINEAR)
    left, top = round((wide - side) / 2), round((high - side) / 2)
    pixels = np.asarray(picture.crop((left, top, left + side, top + side)))
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One process at a time within the block, also if another one dies there; none waits where there are no locks."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


@contextmanager
def _telling(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """On a terminal, how many files are read, once it takes long; nothing elsewhere."""
    began, told = time.monotonic(), False

    def tell(done: int) -> None:
        nonlocal told
        if sys.stderr.isatty() and time.monotonic() - began > _SLOW:
            told = True
            print(f"\r{title}: {done:,} of {total:,} images read", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if told:
            print(file=sys.stderr)
