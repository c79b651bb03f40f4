"""How large what others write may be: bounds that no honest user meets, all in one place.

What is larger is refused before anything is built from it: in a line, and not by a machine that has no memory left.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping, Sized
from dataclasses import fields
from pathlib import Path
from typing import Any

from dfkd_ray.util.words import NBSP, memory, shorten

YAML_BYTES = 1_000_000
JSON_BYTES = 32_000_000
NODES = 20_000  # of a YAML file, each alias with all that it stands for
KEYS = 1_000  # of one mapping
DEPTH = 32  # mappings and lists in one another
PATH = 1_000  # characters of a path, all its keys together
TEXT = 10_000  # characters of one value
NAME = 100  # characters of what becomes the name of a folder
VALUES = 1_000  # of one choice; arms by hand
PATHS = 200  # that are searched; components, and levels of one
WHOLE = 2**63 - 1  # what Arrow and torch hold
REAL = 1e100  # its cube is still a number
COUNT = 1_000_000  # of a field that is not named below

# The most that a field may be, by its name; what stands for memory is bounded lower.
MOST: Mapping[str, float] = {
    **dict.fromkeys(("seed", "low", "high", "step", "max"), WHOLE),
    **dict.fromkeys(("size", "images", "train", "val", "test", "whole"), 10**12),
    **dict.fromkeys(("capacity", "bank", "trial"), 10**7),
    **dict.fromkeys(("classes", "points", "cpu", "gpu", "concurrency", "startup", "candidates"), 100_000),
    **dict.fromkeys(("batch", "coder_batch", "at_once", "decode_at_once", "population", "prototypes"), 65_536),
    **dict.fromkeys(("image", "pixels", "width", "latent", "dim", "length", "timesteps"), 8_192),
    **dict.fromkeys(("shards", "retries", "threads", "fuse"), 1_024),
    **dict.fromkeys(("heads", "layers", "depth", "order", "channels"), 64),
    "rows": 1_000,
    "columns": 256,
    "doublings": 10,
    "hours": 10**6,
    "wait": 365 * 86_400,
}
OBJECTS = 5_000_000  # of a store that are brought together
PIXELS = 3 * 8_192**2  # of one image, all its channels


class TooLarge(ValueError):
    """More than a bound of this module; the message says which, and what was found."""


def check(name: str, value: Any) -> None:
    """TooLarge for a number, or one among several, that the field of that name cannot have; all else is fine."""
    if isinstance(value, (tuple, list)):
        for each in value:
            check(name, each)
    elif isinstance(value, (int, float)) and not isinstance(value, bool):
        most = MOST.get(name, COUNT if isinstance(value, int) else REAL)
        if not abs(value) <= most:
            raise TooLarge(f"must be at most {_shown(most)}, got {_shown(value)}")


def check_fields(made: Any) -> None:
    """`check` for every field of a dataclass; the message begins with the field's name."""
    for f in fields(made):
        try:
            check(f.name, getattr(made, f.name))
        except TooLarge as error:
            raise TooLarge(f"{f.name} {error}") from None


def count(what: str, there: Sized, most: int = VALUES) -> None:
    """TooLarge for more of something than there may be: `count("values", choice)`."""
    if len(there) > most:
        raise TooLarge(f"at most {most:,} {what}, got {len(there):,}")


def whole(digits: str) -> int:
    """A whole number; TooLarge where it has more digits than any may have, ValueError where it is none."""
    if len(digits) > len(str(WHOLE)) + 9:  # signs and zeros in front; Python itself reads no more than 4,300 digits
        raise TooLarge(f"{shorten(digits)} is too large")
    if not -WHOLE <= (value := int(digits)) <= WHOLE:
        raise TooLarge(f"{digits} is too large")
    return value


def real(digits: str) -> float:
    """A number; TooLarge where no honest one is so large, ValueError where it is none."""
    value = float(digits)
    if math.isnan(value):
        raise ValueError(f"{digits} is no number")
    if abs(value) > REAL:
        raise TooLarge(f"{shorten(digits)} is too large")
    return value


def text(value: str, most: int = TEXT) -> str:
    """The same; TooLarge where it is too long, or holds what no file and no terminal can show, such as NUL."""
    if len(value) > most:
        raise TooLarge(f"has {len(value):,} characters, more than {most:,}: {shorten(value)!r}")
    if not value.isprintable():
        odd = next((c for c in value if unicodedata.category(c) in ("Cc", "Cs") and c not in "\n\t\r"), None)
        if odd is not None:
            raise TooLarge(f"has the character U+{ord(odd):04X} in it: {shorten(repr(value))}")
    return value


def read(path: Path, most: int) -> bytes:
    """A file's bytes; TooLarge where it has more than `most`, also one without end, such as a device."""
    with path.open("rb") as file:
        found = file.read(most + 1)
        if len(found) <= most:
            return found
    size = path.stat().st_size
    has = f"has {memory(size)}, more" if size > most else "has more"
    raise TooLarge(f"{has} than the {memory(most)} that such a file may have".replace(NBSP, " "))


def read_json(path: Path) -> Any:
    """What a file of JSON says; OSError where it cannot be read, ValueError for all that may be wrong with it."""
    return json_of(read(path, JSON_BYTES).decode("utf-8"))


def json_of(written: str | bytes) -> Any:
    """What JSON says, with numbers and texts as YAML may have them; ValueError for all that may be wrong with it."""
    try:
        return _plain(json.loads(written, parse_constant=real, parse_float=real, parse_int=whole), DEPTH)
    except RecursionError:
        raise TooLarge("nested too deep") from None


def _plain(value: Any, deep: int) -> Any:
    if isinstance(value, str):
        return text(value, JSON_BYTES)
    if isinstance(value, (dict, list)) and not deep:
        raise TooLarge("nested too deep")
    for each in [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else ():
        _plain(each, deep - 1)
    return value


def _shown(value: float) -> str:
    """A number in a line, also one of hundreds of digits."""
    if isinstance(value, float):
        return f"{value:g}"
    return f"{value:,}" if abs(value) <= WHOLE else f"one of {len(str(value)):,} digits"
