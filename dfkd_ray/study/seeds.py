"""The seeds of an ablation, as a study file has them: a number, a list, or more of them while they tell too little."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfkd_ray.stats.effects import MIN_PAIRS
from dfkd_ray.stats.looks import Told, schedule
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import typed

MOST = 1_000  # who writes 20250101 means that seed, not so many of them


@dataclass(frozen=True)
class Seeds:
    """The seeds that every arm gets: so many at first, twice as many each time while effects tell too little.

    until: "told", until every effect on the first objective is told apart; or points of that objective (its own unit
        where it is no share), until no effect's interval is wider. None: none are added. What the looks in between cost
        is in `stats.looks`, and in every interval and verdict.
    """

    listed: tuple[int, ...]
    start: int
    until: float | Told | None = None

    def __post_init__(self) -> None:
        twice = sorted(seed for seed, times in Counter(self.listed).items() if times > 1)
        if twice:
            raise ValueError(f"{', '.join(map(str, twice))} stands twice: the same seed is the same run")
        if len(self.listed) < 2:
            raise ValueError(f"one seed tells nothing of the spread: take {MIN_PAIRS} or more")
        if not 2 <= self.start <= len(self.listed):
            raise ValueError(f"start must be between 2 and max, got {self.start} and {len(self.listed)}")
        if isinstance(self.until, float) and not self.until > 0:
            raise ValueError(f"until must be > 0 points, got {self.until:g}")

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of seeds with which effects are looked at; one where none are added."""
        return (self.start,) if self.until is None else schedule(self.start, len(self.listed))


@dataclass(frozen=True)
class _Adaptive:
    """`seeds: {start: 5, max: 20, until: told}`, as the file has it."""

    max: int
    until: float | Told
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
        forms = "a number of seeds, a list, or {start: 5, max: 20, until: told}"
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
