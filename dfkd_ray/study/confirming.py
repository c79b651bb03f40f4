"""What confirms the winner of a sweep: `confirm: {top: 3, seeds: 5}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dfkd_ray.stats.effects import MIN_PAIRS
from dfkd_ray.study.seeds import MOST
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.limits import WHOLE
from dfkd_ray.util.yamls import typed

DEFAULTS = "defaults"  # the arm of the control: the method with what the study fixes, and nothing searched


@dataclass(frozen=True)
class Confirm:
    """When the search has ended its best `top` settings run again, and the method's defaults beside them, each with
    the same `seeds` seeds, none of which the search has used. These trials come on top of the budget, which is that of
    the search, and no stopper cuts them.
    """

    top: int = 3
    seeds: int = 5

    def __post_init__(self) -> None:
        if not 1 <= self.top <= MOST:
            raise ValueError(f"top must be between 1 and {MOST:,}, got {self.top}")
        if not MIN_PAIRS <= self.seeds <= MOST:
            least = f"fewer than {MIN_PAIRS} tell nothing of the spread"
            raise ValueError(f"seeds must be between {MIN_PAIRS} and {MOST:,} ({least}), got {self.seeds}")

    def fresh(self, used: int) -> tuple[int, ...]:
        """The seeds, after the last one that the search has used, or from 0 where numbers end there."""
        first = used + 1 if used + self.seeds <= WHOLE else 0
        return tuple(range(first, first + self.seeds))

    def trials(self, settings: int | None) -> int:
        """How many there are at most, of a search that can try so many settings (None: any number)."""
        top = self.top if settings is None else min(self.top, settings)
        return (top + 1) * self.seeds


def parse(raw: Any) -> Confirm:
    """As a study file has it; `true` stands for the defaults, 3x5 for {top: 3, seeds: 5}."""
    if raw is True:
        return Confirm()
    if isinstance(raw, str) and (short := re.fullmatch(r"(\d{1,9})x(\d{1,9})", raw)):
        raw = {"top": int(short[1]), "seeds": int(short[2])}
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"expected {{top: 3, seeds: 5}}, or 3x5, got {raw!r}")
    return typed(Confirm, raw)


def conflicts(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between `confirm` and the other parts of a study; those that could not be read are absent."""
    if parts.get("confirm") is None:
        return
    if parts.get("ablation") is not None:
        yield Problem(
            "confirm", "is for a sweep: the arms of an ablation are not chosen by the seeds that they ran with"
        )
    elif "search" in parts and not parts["search"]:
        yield Problem("confirm", "nothing is searched, so there is no winner to confirm")
    if len(parts.get("objective", ())) > 1:
        yield Problem("confirm", "several objectives have a front, not one winner: leave one, or run the front by hand")
