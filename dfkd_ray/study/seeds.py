"""The seeds of an ablation, as a study file has them: a number, a list, or more of them while intervals are wide."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfkd_ray.stats.effects import MIN_PAIRS
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import typed

MOST = 1_000  # who writes 20250101 means that seed, not so many of them


@dataclass(frozen=True)
class Seeds:
    """The seeds that every arm gets: so many at first, one more after another while intervals are wide.

    until: points of the first objective (its own unit where it is no share); seeds are added until no effect's interval
        is wider. None: none are added.
    """

    listed: tuple[int, ...]
    start: int
    until: float | None = None

    def __post_init__(self) -> None:
        twice = sorted(seed for seed, times in Counter(self.listed).items() if times > 1)
        if twice:
            raise ValueError(f"{', '.join(map(str, twice))} stands twice: the same seed is the same run")
        if len(self.listed) < 2:
            raise ValueError(f"one seed tells nothing of the spread: take {MIN_PAIRS} or more")
        if not 2 <= self.start <= len(self.listed):
            raise ValueError(f"start must be between 2 and max, got {self.start} and {len(self.listed)}")
        if self.until is not None and not self.until > 0:
            raise ValueError(f"until must be > 0 points, got {self.until:g}")


@dataclass(frozen=True)
class _Adaptive:
    """`seeds: {start: 3, max: 10, until: 1.0}`, as the file has it."""

    max: int
    until: float
    start: int = MIN_PAIRS


def parse(raw: Any) -> Seeds:
    """Seeds from any of the three forms."""
    if isinstance(raw, int) and not isinstance(raw, bool):
        return Seeds(_first(raw), raw)
    if isinstance(raw, list):
        limits.count("seeds", raw, MOST)
        wrong = [seed for seed in raw if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0]
        if wrong:
            raise ConfigError.at("", f"a seed is a whole number from 0, got {wrong[0]!r}")
        return Seeds(tuple(raw), len(raw))
    if not isinstance(raw, Mapping):
        forms = "a number of seeds, a list, or {start: 3, max: 10, until: 1.0}"
        raise ConfigError.at("", f"expected {forms}, got {raw!r}")
    adaptive = typed(_Adaptive, raw)
    return Seeds(_first(adaptive.max), adaptive.start, adaptive.until)


def _first(count: int) -> tuple[int, ...]:
    if count > MOST:
        raise ConfigError.at("", f"at most {MOST:,} seeds, got {count:,}; a list says which: [0, 1, 2]")
    return tuple(range(count))


def plain(seeds: Seeds) -> Any:
    """The seeds as a study file would have them; `parse(plain(s)) == s`."""
    if seeds.until is None:
        return list(seeds.listed)
    return {"start": seeds.start, "max": len(seeds.listed), "until": seeds.until}
