"""What the `__post_init__` of the terms have in common: one message for one kind of mistake."""

from __future__ import annotations

import math
from typing import Any, get_args


def positive(**fields: float) -> None:
    """ValueError unless every value is a finite number above 0."""
    for name, value in fields.items():
        if not (math.isfinite(value) and value > 0):
            raise ValueError(f"{name} must be > 0, got {value}")


def share(**fields: float) -> None:
    """ValueError unless every value is in [0, 1)."""
    for name, value in fields.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be in [0, 1), got {value}")


def one_of(choices: Any, **fields: str) -> None:
    """ValueError unless every value is one of the strings of the Literal type `choices`."""
    for name, value in fields.items():
        if value not in get_args(choices):
            raise ValueError(f"{name} must be one of {', '.join(get_args(choices))}, got {value!r}")
