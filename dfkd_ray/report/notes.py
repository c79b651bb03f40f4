"""What tables carry beside their rows, read with care: others may have written it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def part(note: Mapping[str, Any], key: str) -> dict[str, Any]:
    """A mapping inside the metadata; empty where it is missing or something else."""
    value = note.get(key)
    return value if isinstance(value, dict) else {}


def fused(note: Mapping[str, Any]) -> int:
    """How many trials shared a process, so that none has seconds of its own; 1: none did."""
    value = note.get("fuse")
    return value if isinstance(value, int) else 1


def mapping(text: str | None) -> dict[str, Any]:
    """A JSON object as a mapping; empty where it is missing, torn or something else."""
    try:
        value = json.loads(text or "{}")
    except ValueError:
        return {}
    return sound(value) if isinstance(value, dict) else {}


def sound(value: dict[str, Any]) -> dict[str, Any]:
    """JSON can hold half a character (a lone surrogate), which neither Arrow nor UTF-8 takes: it becomes `?`."""
    written = json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")
    read: dict[str, Any] = json.loads(written)
    return read
