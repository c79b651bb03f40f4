"""Image files as arrays: each decoded, its shorter side resized and, unless crops are drawn later, its centre cut out.

That is done once, into a cache: a plain `.npy` of uint8 in `data_folder()/cache`, named by task, split, side and a
digest of all that decides its bytes: the folder, names, sizes and times of the files, and how they are cut. A changed
file makes another cache; an old one may be deleted at any time. It takes its name when it is done, and is mapped when
it is read, so that ImageNet's 50,000 test images (7.5 GB at 224 pixels) cost memory only where they are looked at. Or
it is done in memory, and nothing is written.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from dfkd_ray.datasets import uncut
from dfkd_ray.datasets.cache import kept
from dfkd_ray.datasets.task import Task
from dfkd_ray.util.choices import Cache
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.host import decoders
from dfkd_ray.util.progress import progress

T = TypeVar("T")
MODES = {1: "L", 3: "RGB"}  # by the channels of a task
_REVISION = 2  # of decoding and cutting: another number makes other caches
_CHUNK = 256  # files at a time
_DEEP = ("PNG", "PPM")  # whose grey of 16 bits some versions of Pillow call I
_SHOWN = 10  # damaged files in a message


def data_folder() -> Path:
    """Where data sets live unless the user says: $DFKD_RAY_DATA, else ~/.cache/dfkd-ray."""
    return Path(os.environ.get("DFKD_RAY_DATA") or Path.home() / ".cache" / "dfkd-ray")


@dataclass(frozen=True)
class Files:
    """Image files that nobody has read yet, by name under `root`; a slice of them, or some rows, are files again."""

    root: Path
    names: Sequence[str]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, part: slice | NDArray[np.int64]) -> Files:
        return replace(self, names=self.names[part] if isinstance(part, slice) else [self.names[row] for row in part])

    def read(self, task: Task, which: str, cache: Cache = "memmap") -> NDArray[Any]:
        """Images (N, side, side, C) uint8 of the task's size.

        Raises DamagedImages with the names of the files that are no complete images.
        """
        channels, side = square(task, self.root)

        def write(file: BinaryIO) -> tuple[int, ...]:
            for pixels in self._decoded(task, which, side):
                file.write(pixels.transpose(2, 0, 1).tobytes())
            return len(self), channels, side, side

        path = self._cache(f"{task.name}_{which}_{side}px", channels, side, task.crop, *_owned(task))
        return kept(path, cache, write).transpose(0, 2, 3, 1)

    def uncut(self, task: Task, which: str, cache: Cache = "memmap") -> uncut.Uncut:
        """The same images with what a centre crop takes off, to draw crops from."""
        channels, side = square(task, self.root)
        short = round(side / task.crop)
        path = self._cache(f"{task.name}_{which}_uncut_{short}px", channels, short, "uncut", *_owned(task))
        flat = kept(path, cache, lambda file: uncut.write(file, self._decoded(task, which)))
        return uncut.read(flat, len(self))

    def _cache(self, title: str, *cut: object) -> Path:
        digest, gone = hashlib.sha256(repr((_REVISION, str(self.root.resolve()), *cut)).encode()), []
        for name in self.names:
            try:
                found = (self.root / name).stat()
            except OSError as error:
                gone.append(f"{self.root / name}: {error.strerror}")
                continue
            times = found.st_mtime_ns, found.st_ctime_ns  # a copy may keep the one, never the other
            digest.update(f"{name}\0{found.st_size}\0{times}\n".encode(errors="surrogateescape"))
        if gone:
            raise DataError(_said(gone, len(self), "cannot be read"))
        return data_folder() / "cache" / (re.sub(r"\W", "_", f"{title}_") + digest.hexdigest()[:16] + ".npy")

    def _decoded(self, task: Task, which: str, side: int | None = None) -> Iterator[NDArray[np.uint8]]:
        """The images (height, width, C) in order, of `side` pixels or uncut; at the end the error of the damaged ones.

        In threads: Pillow lets go of the interpreter while it decodes and resizes.
        """
        damaged: dict[int, str] = {}
        one = partial(
            _picture,
            mode=MODES[task.image[0]],
            short=round(task.image[1] / task.crop),
            side=side,
            own=bool(_owned(task)),
        )
        with decoders() as pool, progress(f"{task.name}, {which}", len(self), "images read") as tell:
            for start in range(0, len(self), _CHUNK):
                paths = [self.root / name for name in self.names[start : start + _CHUNK]]
                for row, pixels in enumerate(pool.map(one, paths), start=start):
                    if isinstance(pixels, str):
                        damaged[row] = pixels
                    elif not damaged:
                        yield pixels
                tell(start + len(paths))
        if damaged:
            raise DamagedImages([*damaged], _said([*damaged.values()], len(self), "cannot be read as images"))


def square(task: Task, origin: object) -> tuple[int, int]:
    """The channels and the side of a task whose images can be cut."""
    channels, side, width = task.image
    if side != width or channels not in MODES:
        raise DataError(f"{origin}: images are cut to squares, grey or RGB, but image of {task.name} is {task.image}")
    return channels, side


class DamagedImages(DataError):
    """Files that are no complete images, by their rows; the message names the first of them."""

    def __init__(self, rows: Sequence[int], said: str) -> None:
        super().__init__(said)
        self.rows = rows


def sound(part: tuple[Files, NDArray[Any]], read: Callable[[Files], T], most: int) -> tuple[T, NDArray[Any]]:
    """What `read` makes of files, and their labels, both without the damaged ones where these are `most` at most: then
    they are named on standard error. DamagedImages says how to go on where there are more."""
    files, labels = part
    try:
        return read(files), labels
    except DamagedImages as error:
        if len(error.rows) > most:
            advice = f"--skip-damaged {len(error.rows)}, or skip_damaged in a task file, goes on without them"
            raise DamagedImages(error.rows, f"{error}\n{advice}") from None
        _warn(f"left out, {error}")
        kept = np.delete(np.arange(len(files)), error.rows)
        return read(files[kept]), labels[kept]


@cache
def _warn(line: str) -> None:
    """Once a process: a split may be read twice."""
    print(f"warning: {line}", file=sys.stderr, flush=True)


def _said(files: Sequence[str], of: int, what: str) -> str:
    """The first of some files."""
    more = [f"and {len(files) - _SHOWN} more"] if len(files) > _SHOWN else []
    return f"{len(files)} of {of} files {what}:\n  " + "\n  ".join([*files[:_SHOWN], *more])


def _owned(task: Task) -> tuple[str, ...]:
    """What caches of images that nobody published are known by: see `decode`."""
    return ("own",) if task.origin is None else ()


def _picture(path: Path, mode: str, short: int, side: int | None, own: bool) -> NDArray[np.uint8] | str:
    """(height, width, C) of a file, or what is wrong with it. An image of one pixel is enlarged like any other."""
    try:
        picture = decode(path, mode, own)
    except Exception as error:  # a damaged file raises almost anything
        return f"{path}: {str(error) or type(error).__name__}"
    picture = shorter(picture, short)
    if side is not None:
        left, top = (round((length - side) / 2) for length in picture.size)  # as torchvision's CenterCrop rounds
        picture = picture.crop((left, top, left + side, top + side))
    return uncut.pixels(picture)


def decode(path: Path, mode: str, own: bool) -> Image.Image:
    """The picture in a file; what is damaged, or has pixels of another kind, raises almost anything.

    Grey, palette and CMYK become RGB, an alpha channel is dropped. An EXIF tag turns an image of one's own; none of a
    published set, because those who measured on it saw it as torchvision's loader of folders reads it.
    """
    with Image.open(path) as image:
        turned = ImageOps.exif_transpose(image) if own else image
        return _of_bytes(turned, image.format, own).convert(mode)


def _of_bytes(image: Image.Image, kind: str | None, own: bool) -> Image.Image:
    """Grey levels of 16 bits as bytes, where Pillow would make nearly all of them white: of one's own images from the
    darkest to the lightest, because few cameras and scanners fill 16 bits; of published ones the high bytes."""
    if image.mode.startswith("I;16") or (image.mode == "I" and kind in _DEEP):
        levels = np.asarray(image).astype(np.int64)
        low, high = (int(levels.min()), int(levels.max())) if own else (0, 0)
        spread = (levels - low) * 255 // (high - low) if high > low else levels >> 8
        return Image.fromarray(spread.astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("its pixels are neither bytes nor of 16 bits")
    return image


def shorter(picture: Image.Image, short: int) -> Image.Image:
    """The picture with its shorter side made `short` pixels: bilinear with antialiasing, as torchvision's Resize."""
    width, height = picture.size
    wide, high = (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    return picture.resize((wide, high), Image.Resampling.BILINEAR)
