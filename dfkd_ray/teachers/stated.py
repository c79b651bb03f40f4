"""What the card of a file of weights states of its teacher's images, as something that one can build by."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfkd_ray.util import limits
from dfkd_ray.util.errors import DataError


def class_names(weights: Path, card: Mapping[str, Any]) -> tuple[str, ...] | None:
    """The names of a teacher's classes, where its card has them."""
    names = card.get("class_names")
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise DataError(f"the card of {weights}: class_names must be a list of names, got {names!r}")
    if names is not None and len(names) < _least(card):
        raise DataError(f"the card of {weights}: class_names must be at least two names, got {names!r}")
    if names is not None and len({*names}) < len(names):
        raise DataError(f"the card of {weights}: two of its classes have the same name")
    return None if names is None else tuple(names)


def _least(card: Mapping[str, Any]) -> int:
    """How many classes there are at least: a depth has the one name of the output."""
    return 1 if card.get("targets") == "depth" else 2


def architecture(weights: Path, card: Mapping[str, Any]) -> str | None:
    """Which net a teacher is, where its card says it."""
    arch = card.get("arch")
    if arch is not None and not isinstance(arch, str):
        raise DataError(f"the card of {weights}: arch must be the name of a net, got {arch!r}")
    return arch


def class_count(weights: Path, card: Mapping[str, Any]) -> int | None:
    """How many classes a teacher has, where its card says it."""
    names, count, most = class_names(weights, card), card.get("classes"), limits.MOST["classes"]
    if names is None and count is not None and not (isinstance(count, int) and _least(card) <= count <= most):
        raise DataError(
            f"the card of {weights}: classes must be a number from {_least(card)} to {most:,}, got {count!r}"
        )
    return count if names is None else len(names)


def image_size(weights: Path, card: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """(channels, height, width) of a teacher's images, where its card has them."""
    image = card.get("image")
    if image is None:
        return None
    most = limits.MOST["image"]
    if not (isinstance(image, list) and len(image) == 3 and all(isinstance(n, int) and 0 < n <= most for n in image)):
        text = f"image must be [channels, height, width], got {image!r}; each is at most {most:,}"
        raise DataError(f"the card of {weights}: {text}")
    return image[0], image[1], image[2]
