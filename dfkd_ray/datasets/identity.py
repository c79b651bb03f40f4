"""Which images these are, and which task: by digests, so that nothing is taken for another of the same name.

A folder of 50,000 images is known in seconds: names, sizes and labels of all files count, and of their contents all
bytes or, of many, pieces that are spread evenly over them; `sampled` says so. Where they lie is no part of it.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from dfkd_ray.datasets.image_files import Files
from dfkd_ray.datasets.readers import SplitName, opened, unread_split
from dfkd_ray.datasets.task import Task
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import DataError

PIECE = 2**16  # bytes
PIECES = 2_048  # more files than that, or more bytes than so many pieces have, are sampled
_DECIDES = ("name", "reader", "classes", "image", "mean", "std", "student", "fit", "folders", "crop", "hold_out")
_MAY_DECIDE = (
    "among",
    "split",
    "targets",
)  # where a task has them: others keep the digest that they had before there were any


@dataclass(frozen=True)
class Identity:
    """Number of files, their bytes, 64 bits of SHA-256 in hexadecimal, and whether their contents were sampled."""

    files: int
    bytes: int
    digest: str
    sampled: bool

    def __str__(self) -> str:
        files = f"{self.files:,} file{'' if self.files == 1 else 's'}"
        return f"{files}, {self.bytes:,} bytes{', contents sampled' if self.sampled else ''}"

    @property
    def plain(self) -> dict[str, Any]:
        """As a card or a ledger holds it."""
        return asdict(self)


def of_split(task: Task, which: SplitName, data: Path | None = None) -> Identity | None:
    """Of the images of one split; of an `.npz`, and of a set that comes as arrays, of all its files.

    None where they are drawn or bundled. Raises what `unread_split` raises where there are none.
    """
    root = opened(task, data).root
    if root is None:
        return None
    if root.is_file():
        return of_files({"": root})
    (images, labels), _ = unread_split(task, which, data, download=False)
    if not isinstance(images, Files):
        return of_folder(root)
    return of_files({f"{name}\0{label}": images.root / name for name, label in zip(images.names, labels.tolist())})


def of_folder(root: Path) -> Identity:
    """Of all files under a folder."""
    return of_files({path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()})


def of_files(files: Mapping[str, Path]) -> Identity:
    """Of files by what they are called here; DataError for one that cannot be read."""
    names = sorted(files)
    paths = [files[name] for name in names]
    digest = hashlib.sha256()
    try:
        sizes = [path.stat().st_size for path in paths]
        for name, size in zip(names, sizes):
            digest.update(f"{name}\0{size}\n".encode(errors="surrogateescape"))
        sampled = len(paths) > PIECES or sum(sizes) > PIECE * PIECES
        for path, offset, count in _pieces(paths, sizes) if sampled else zip(paths, [0] * len(paths), sizes):
            with path.open("rb") as file:
                file.seek(offset)
                digest.update(file.read(count))
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror}") from None
    return Identity(len(paths), sum(sizes), digest.hexdigest()[:16], sampled)


def _pieces(paths: Sequence[Path], sizes: Sequence[int]) -> list[tuple[Path, int, int]]:
    """(file, offset, bytes) of pieces that lie evenly over all bytes as if the files were one."""
    ends = list(accumulate(sizes))
    pieces: dict[tuple[int, int], None] = {}
    for number in range(PIECES):
        place = number * ends[-1] // PIECES
        index = min(bisect_right(ends, place), len(ends) - 1)
        offset = place - ends[index] + sizes[index]
        pieces[index, max(0, min(offset, sizes[index] - PIECE))] = None  # a small file is read whole, and once
    return [(paths[index], offset, PIECE) for index, offset in pieces]


def definition(task: Task) -> dict[str, Any]:
    """What of a task decides results: neither where its images and its teacher lie, nor how the teacher was trained."""
    plain = yamls.plain(task)
    decides = [*_DECIDES, *(name for name in _MAY_DECIDE if plain[name] and plain[name] != "classes")]
    return {**{name: plain[name] for name in decides}, "teacher": task.teacher.arch}


def of_task(task: Task) -> str:
    """64 bits of SHA-256 over the definition, in hexadecimal."""
    return hashlib.sha256(json.dumps(definition(task), sort_keys=True).encode()).hexdigest()[:16]
