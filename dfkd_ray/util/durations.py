"""How long something may take, as a person writes it."""

from __future__ import annotations

import re

UNITS = {"s": 1, "min": 60, "m": 60, "h": 3600, "d": 86400}


def seconds(text: str) -> float:
    """`90`, `90s`, `10 min`, `1.5h`, `2d` in seconds; ValueError for what is no duration."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?) ?([a-z]*)", text.strip(), re.ASCII)
    if found is None or (found[2] or "s") not in UNITS:
        raise ValueError(f"a duration is a number with s, min, h or d, such as 30min; got {text!r}")
    return float(found[1]) * UNITS[found[2] or "s"]
