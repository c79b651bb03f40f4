"""Where two pieces of plain data differ."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Any


def differing(a: Any, b: Any, path: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Paths at which mappings and lists differ, with both values; a key that only one side has is None on the other."""
    below = f"{path}." if path else ""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in dict.fromkeys([*a, *b]):
            yield from differing(a.get(key), b.get(key), f"{below}{key}")
    elif isinstance(a, list) and isinstance(b, list):
        for number, (x, y) in enumerate(zip_longest(a, b)):
            yield from differing(x, y, f"{below}{number}")
    elif a != b:
        yield path, a, b
