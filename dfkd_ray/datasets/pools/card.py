"""The card of a pool: of what everything in it was made. Written once, with the pool."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, Literal

from dfkd_ray.util import limits, sealed, yamls
from dfkd_ray.util.differing import differing
from dfkd_ray.util.errors import ConfigError, DataError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.registry import did_you_mean

NAME = "pool.json"
SCHEMA_VERSION = 1
Format = Literal["png", "jpeg", "webp"]


@dataclass(frozen=True)
class TeacherFacts:
    """The network whose images these are; digest: of its weights, see `nets.digest`."""

    arch: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class PoolCard:
    """What decides the images of a pool, and how they are kept.

    task, classes: names. image: (channels, height, width) as the teacher sees it; mean, std: of its input.
    method: the whole method as plain data; fingerprint: of that part of it (and of the models behind it) that decides
        the images. Methods with one fingerprint make the same images, so they share a pool.
    shards: files that are written side by side. per_trajectory: images of one trajectory. pixels: the side of the
        images as they are kept; they become `image` when they are read. format: of their files, the first is lossless.
    versions: of the packages that began it; they alone may differ where a pool goes on.
    """

    task: str
    classes: tuple[str, ...]
    image: tuple[int, int, int]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    teacher: TeacherFacts
    method: Mapping[str, Any]
    fingerprint: str
    seed: int
    shards: int = 1
    per_trajectory: int
    pixels: int
    format: Format = "png"
    versions: Mapping[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        limits.check_fields(self)
        for name in ("shards", "per_trajectory", "pixels"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.classes:
            raise ValueError("classes must be at least one name")
        if min(self.image) < 1 or prod(self.image) > limits.PIXELS:
            raise ValueError(f"image must be (channels, height, width), each at least 1, got {self.image}")
        if not len(self.mean) == len(self.std) == self.image[0]:
            raise ValueError(f"mean and std must have a number for each channel, {self.image[0]} in all")

    def plain(self) -> dict[str, Any]:
        """As the file says it."""
        made: dict[str, Any] = json.loads(json.dumps(yamls.plain(self)))
        return made

    def other(self, here: PoolCard) -> str | None:
        """Where this card is not `here`: the first field that decides images and differs, with both values."""
        one, two = self.plain(), here.plain()
        words = {"per_trajectory": "number of images a trajectory", "shards": "number of shards", "pixels": "size"}
        decides = [key for key in one if key not in ("method", "versions", "fingerprint")]
        decides += ["method", "fingerprint"] if self.fingerprint != here.fingerprint else []
        for key in decides:
            for path, there, wanted in differing(one[key], two[key], key):
                return f"another {words.get(key, key)} ({path} {_value(there)} there, {_value(wanted)} here)"
        return None

    def of_another_task(
        self,
        image: tuple[int, int, int],
        classes: int,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        names: tuple[str, ...] = (),
    ) -> str | None:
        """How its images are not what a teacher sees that takes these; names: of its classes, where they are known."""
        both = {
            "images (channels, height, width)": (self.image, image),
            "a number of classes": (len(self.classes), classes),
            "a class": next((pair for pair in zip(self.classes, names) if pair[0] != pair[1]), ("", "")),
            "mean": (self.mean, mean),
            "std": (self.std, std),
        }
        told = (f"{what} {there} there, {here} here" for what, (there, here) in both.items() if there != here)
        return next((f"is a pool for {self.task}: {line}" for line in told), None)

    def of_another_teacher(self, digest: str) -> str | None:
        """How its images were not made from the teacher with this digest."""
        if self.teacher.digest == digest:
            return None
        made = f"{self.task}, made from the teacher {self.teacher.arch} with the weights {self.teacher.digest}"
        return f"is a pool for {made}; those here are {digest}"


def _value(value: Any) -> str:
    """A part of a card in a line; a component that only one side has by its name."""
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return str(value.get("name", "a mapping"))
    return str(value)


def write(folder: Path, card: PoolCard) -> None:
    with atomic_write(folder / NAME) as file:
        file.write(sealed.seal_json(card.plain(), indent=2))


def read(folder: Path) -> PoolCard:
    """The card of the pool in `folder`; DataError if there is none, or it is damaged or of a newer version."""
    path = folder / NAME
    try:
        if sealed.is_sound(path) is False:
            raise DataError(sealed.edited(path))
        raw = limits.read_json(path)
    except FileNotFoundError:
        pools = [other.parent.name for other in folder.parent.glob(f"*/{NAME}")]
        raise DataError(f"{folder}: there is no pool{did_you_mean(folder.name, pools)}") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DataError(f"{path}: the card of the pool is damaged: {error}") from None
    if isinstance(raw, dict):
        raw.pop(sealed.KEY, None)
    version = raw.get("schema") if isinstance(raw, dict) else None
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise DataError(f"{path}: schema version {version}, this dfkd-ray reads up to {SCHEMA_VERSION}")
    try:
        return yamls.typed(PoolCard, raw)
    except ConfigError as error:
        raise DataError(f"{path}: the card of the pool is damaged: {error.problems[0]}") from None
