"""What somebody knows of a searched setting: a value, and how sure they are of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Confidence = Literal["low", "medium", "high"]


@dataclass(frozen=True)
class Prior:
    """A value that is believed to be good: see tune/by_prior.py for what a search makes of it."""

    value: Any  # one of the domain
    confidence: Confidence = "medium"
