"""A part of a pool that `pool prune` chose: which of its images are kept, and how often each class is drawn."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from dfkd_ray.util import limits, sealed, yamls
from dfkd_ray.util.errors import ConfigError, DataError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.registry import did_you_mean


@dataclass(frozen=True, kw_only=True)
class Selection:
    """pool: the digest of the pool that it is of. score, share: what it was chosen by, and how much of each class.

    intermediate: whether it is of all images or of the finished ones alone, in the order of `Pool.images`. rows: which
    of them are kept, rising. weights: of the classes, how often each is drawn; they add up to 1.
    """

    pool: str
    score: str
    share: float
    intermediate: bool
    rows: tuple[int, ...]
    weights: tuple[float, ...]


def write(folder: Path, name: str, selection: Selection) -> Path:
    """The file in the pool's folder; DataError for a name that cannot be one of a file."""
    if not re.fullmatch(r"[\w.-]{1,64}", name):
        raise DataError(f"{name!r} cannot be the name of a selection: letters, digits, '_', '-' and '.'")
    path = path_of(folder, name)
    with atomic_write(path) as file:
        file.write(sealed.seal_json(yamls.plain(selection)))
    return path


def read(folder: Path, name: str) -> Selection:
    """The selection of that name; DataError where there is none, or it is damaged."""
    path = path_of(folder, name)
    try:
        if sealed.is_sound(path) is False:
            raise DataError(sealed.edited(path))
        raw = limits.read_json(path)
    except FileNotFoundError:
        hint = did_you_mean(name, names(folder))
        raise DataError(f"{folder} has no selection {name!r}{hint}: `dfkd-ray pool prune` makes one") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from None
    if isinstance(raw, dict):
        raw.pop(sealed.KEY, None)
    try:
        return yamls.typed(Selection, raw)
    except ConfigError as error:
        raise DataError(f"{path}: damaged: {error.problems[0]}") from None


def names(folder: Path) -> list[str]:
    """Of the selections that a pool has."""
    return sorted(path.name.removeprefix("keep-").removesuffix(".json") for path in folder.glob("keep-*.json"))


def path_of(folder: Path, name: str) -> Path:
    """Of the selection of that name."""
    return folder / f"keep-{name}.json"
