"""Grids of synthetic images, as files under a study's folder: the ledger has their names and digests, not their bytes.

A picture is no result: one that is lost or damaged later is said and left out, and the study goes on.
"""

from __future__ import annotations

import hashlib
import io
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dfkd_ray.util.files import atomic_write

FOLDER = "pictures"  # of a study: it stays when a trial's own folder goes


@dataclass(frozen=True)
class Picture:
    """A file under the study's folder, and the SHA-256 of its bytes, as a record has them."""

    path: str
    sha256: str


def keep(folder: Path, trial: int, epoch: int, data: bytes) -> dict[str, Any]:
    """Write a picture, and return what the record of its row says of it; OSError if that cannot be."""
    form = picture_format(data)
    path = f"{FOLDER}/{trial:04d}_{epoch:04d}.{form if form != 'unknown' else 'bin'}"
    (folder / FOLDER).mkdir(exist_ok=True)
    with atomic_write(folder / path) as file:
        file.write(data)
    return vars(Picture(path, hashlib.sha256(data).hexdigest()))


def load(folder: Path, picture: Picture) -> bytes | None:
    """A picture's bytes; None, and a line on standard error, where they are not what they were."""
    path = folder / picture.path
    try:
        data = path.read_bytes()
    except OSError as error:
        _say(f"{path}: {error.strerror}")
        return None
    if hashlib.sha256(data).hexdigest() != picture.sha256:
        _say(f"{path}: is damaged")
        return None
    return data


def as_png(folder: Path, picture: Picture) -> bytes | None:
    """The same as PNG, which every tool shows; None, and a line, where it is no picture either."""
    from PIL import Image

    if (data := load(folder, picture)) is None:
        return None
    held = io.BytesIO()
    try:
        with Image.open(io.BytesIO(data)) as opened:
            opened.save(held, "PNG")
    except (OSError, SyntaxError, ValueError):
        _say(f"{folder / picture.path}: is no picture")
        return None
    return held.getvalue()


@cache  # once for each, however often the tables are written
def _say(what: str) -> None:
    print(f"warning: {what}; this picture is left out, and the study goes on", file=sys.stderr, flush=True)


def picture_format(picture: bytes) -> str:
    """webp, png or jpeg, by the first bytes."""
    if picture[:4] == b"RIFF" and picture[8:12] == b"WEBP":
        return "webp"
    return "png" if picture[:4] == b"\x89PNG" else "jpeg" if picture[:2] == b"\xff\xd8" else "unknown"
