"""Several seeds in a sweep: `seeds: 3` runs each setting with three, and `racing: {risk: 0.05}` says which get all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dfkd_ray.study import seeds
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.yamls import typed


@dataclass(frozen=True)
class Racing:
    """The later seeds of a setting are run only while it may still come out ahead of the best one so far.

    risk: of leaving, after any of its seeds, a setting that would have been ahead with all of them, see
        `stats/racing.py`; 0: none is left, and all settings are run with all seeds.
    """

    risk: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.risk < 0.5:
            raise ValueError(f"risk must be at least 0 and below 0.5, got {self.risk:g}")


def parse(raw: Any) -> tuple[int, ...]:
    """The seeds of every setting: how many, from 0, or which."""
    if isinstance(raw, Mapping):
        way = "seeds are added to those of an ablation; in a sweep `racing` says which settings get all"
        raise ConfigError.at("", f"expected a number of seeds, or a list of them, got {raw!r}: {way}")
    return seeds.parse(raw).listed


def parse_racing(raw: Any) -> Racing:
    """As a study file has it; `true` stands for the defaults, `false` for none."""
    if isinstance(raw, bool):
        return Racing() if raw else Racing(0.0)
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f"expected {{risk: {Racing.risk:g}}}, true or false, got {raw!r}")
    return typed(Racing, raw)


def conflicts(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between the seeds of a sweep and its other parts; those that could not be read are absent."""
    several = parts.get("seeds")
    if parts.get("racing") is not None and parts.get("ablation") is not None:
        yield Problem("racing", "is for a sweep: the arms of an ablation are compared at the same seeds")
    elif parts.get("racing") is not None and "seeds" in parts and not several:
        yield Problem("racing", "is between settings that have several seeds each: say `seeds: 3`")
    if not several:
        return
    if parts.get("seed"):  # 0 is what `plain` writes
        yield Problem("seed", "the seeds of this sweep are under `seeds`")
    if "search" in parts and not parts["search"]:
        yield Problem("seeds", "nothing is searched: to run a method with several seeds, make it an arm of an ablation")


READERS: Mapping[str, Callable[[Any], Any]] = {"seeds": parse, "racing": parse_racing}
