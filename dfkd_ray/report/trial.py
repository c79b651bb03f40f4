"""One trial of a study, and what it was compared by."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dfkd_ray import metrics


@dataclass(frozen=True)
class Goal:
    """What the search was after: a metric and which way it is better (`min` or `max`)."""

    metric: str
    mode: str
    at: str | None = None  # the epoch of a trial that the search compared: last or best; None if not recorded

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Goal:
        """As a study tells it, which may leave the mode to the metric."""
        metric = str(told["metric"])
        return cls(metric, told.get("mode") or metrics.find(metric).better or "max", told.get("at"))

    def better(self, a: float, b: float) -> bool:
        return a > b if self.mode == "max" else a < b

    @property
    def sign(self) -> int:
        """+1 if more is better, -1 if less is."""
        return 1 if self.mode == "max" else -1


def goals(told: Any, usual: str) -> tuple[Goal, ...]:
    """The objectives as a study tells them, one or several; the usual metric where it tells none."""
    raw = told if isinstance(told, list) else [told]
    named = [{"metric": o} if isinstance(o, str) else o for o in raw if o]
    known = [o for o in named if isinstance(o, Mapping) and o.get("metric")] or [{"metric": usual}]
    return tuple(Goal.of(o) for o in known)


@dataclass(frozen=True)
class TrialRow:
    """One row of `trials.arrow`, with its JSON read and its objectives made safe."""

    number: int
    state: str
    arm: str | None
    changes: Mapping[str, Any]
    values: tuple[
        float | None, ...
    ]  # one per objective; of a pruned trial its last ones; None if missing or not finite
    row: Mapping[str, Any]
    errors: tuple[float | None, ...] = ()  # of a setting with several seeds: standard errors of these
    runs: tuple[int, ...] = ()  # likewise: the numbers of its trials, seed by seed

    @property
    def setting(self) -> int:
        """By which its setting is called: the number of the trial of its first seed, where there are several."""
        told: int | None = self.row["setting"]
        return self.number if told is None else told

    @property
    def whose(self) -> str:
        """Its arm, or how many seeds it is a setting of; empty of a trial by itself."""
        return self.arm or (f"{len(self.runs)} seed{'s' if len(self.runs) > 1 else ''}" if self.runs else "")

    @property
    def complete(self) -> bool:
        return self.state == "complete"

    @property
    def value(self) -> float | None:
        """The first objective."""
        return self.values[0]

    @property
    def final(self) -> dict[str, float]:
        return {name: value for name, value in self.row["final"] or [] if value is not None}

    @property
    def pair(self) -> tuple[int, int]:
        """Seed and nuisance draw: what the trials of different arms share."""
        return self.row["seed"] or 0, self.row["draw"] or 0

    @property
    def tuning(self) -> bool:
        """Whether it belongs to the search of its arm: then it counts for no effect."""
        return self.row["tuning"] is not None

    @property
    def proposed_by(self) -> str | None:
        """The sampler's `model`, or its `start-up` at random; the study's `start`, or a `prior`; None where there is no
        model, or nobody wrote it down."""
        told: str | None = self.row["proposed_by"]
        return told

    @property
    def outside(self) -> str | None:
        """The constraints that it does not keep to, which keeps it from winning."""
        told: str | None = self.row["unmet"]
        return told

    @property
    def changed(self) -> str | None:
        """What was another than when the study was begun, where that was accepted."""
        told: str | None = self.row["changed"]
        return told

    @property
    def reused(self) -> str | None:
        """The earlier trial that it was taken over from."""
        head, _, origin = (self.row["reason"] or "").partition("reused: ")
        return origin if origin and not head else None


def finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
