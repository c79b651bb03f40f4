"""Seals: the SHA-256 of a file, in the file itself, so that damage is seen before anything is parsed.

A seal is a text, `sealed-sha256:` and 64 digits, somewhere in the file: in the metadata of a table or of safetensors,
in a field of JSON, or behind the end of what ignores bytes there. The digest is that of the file with zeros in place of
these digits. It travels with the file, and no two writes have to agree; whoever else reads the file does not mind it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import atomic_write

BLANK = "sealed-sha256:" + "0" * 64  # to be put into a file that is to be sealed
KEY = "seal"  # of JSON and of metadata
_SEAL = re.compile(rb"sealed-sha256:(.{64})", re.DOTALL)
TRAILER = f"\n{BLANK}\n".encode()  # behind the end
_CHUNK = 1 << 20  # bytes that are held at a time


def is_sound(path: Path) -> bool | None:
    """Whether a file is what was written; None where it has no seal. OSError where it cannot be read."""
    with path.open("rb") as file:
        return _judged(file)


def is_sound_text(data: bytes) -> bool | None:
    """The same of what is in memory."""
    return _judged(BytesIO(data))


def check(path: Path) -> None:
    """DataError for a file that is not as it was written; nothing where it has no seal, or there is none."""
    if path.is_file() and is_sound(path) is False:
        raise DataError(f"{path}: damaged: its checksum does not fit; take it from a copy, or make it again")


def edited(path: Path) -> str:
    """What is said of JSON that is not as it was written."""
    return f"{path}: damaged: its checksum does not fit; take it from a copy, or remove its {KEY!r} if you edited it"


def seal(data: bytes) -> bytes:
    """Fill in the seals of what has blank ones."""
    digest, _, places = _digest(BytesIO(data))
    out = bytearray(data)
    for place in places:
        out[place : place + 64] = digest
    return bytes(out)


def seal_json(told: Mapping[str, Any], indent: int = 1) -> bytes:
    """A JSON object with its seal as the last key."""
    return seal((json.dumps({**told, KEY: BLANK}, indent=indent) + "\n").encode())


def seal_file(file: BinaryIO) -> None:
    """Fill in the seals of a file that is being written, and has a name."""
    file.flush()
    with open(file.name, "r+b") as there:
        digest, _, places = _digest(there)
        for place in places:
            os.pwrite(there.fileno(), digest, place)


@contextmanager
def sealed_write(path: Path) -> Iterator[BinaryIO]:
    """As `atomic_write`, with a seal behind the end: the digest is made while the bytes pass, which come in order."""
    with atomic_write(path) as file:
        passing = _Passing(file)
        yield passing  # type: ignore[misc]
        passing.made.update(TRAILER)
        file.write(TRAILER.replace(b"0" * 64, passing.made.hexdigest().encode()))


class _Passing:
    """What is written is digested on its way."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.made = file, hashlib.sha256()

    def write(self, data: Any) -> int:
        self.made.update(data)
        return self.file.write(data)

    def flush(self) -> None:
        self.file.flush()


def _judged(file: BinaryIO) -> bool | None:
    digest, found, _ = _digest(file)
    return found == {digest} if found else None


def _digest(file: BinaryIO) -> tuple[bytes, set[bytes], list[int]]:
    """Of a file its digest, the digests that its seals state, and where these stand."""
    made, found, places, rest, before = hashlib.sha256(), set[bytes](), list[int](), bytearray(), 0
    while chunk := file.read(_CHUNK):
        rest += chunk
        end = 0  # of the last seal: what is searched again begins behind it
        for match in _SEAL.finditer(rest):
            found.add(match[1])
            places.append(before + match.start(1))
            end = match.end()
            rest[match.start(1) : end] = b"0" * 64
        done = max(end, len(rest) - len(BLANK) + 1)  # a seal may go on in the next chunk
        made.update(rest[:done])
        before += done
        del rest[:done]
    made.update(rest)
    return made.hexdigest().encode(), found, places
