"""Which trial of a front is taken where one is asked for, by the rule that the tables tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dfkd_ray.report.trial import Goal
from dfkd_ray.stats import front


def pick(points: front.Points, told: Any, objectives: Sequence[Goal]) -> int | None:
    """The trial of a front by the study's `best`, as its tables tell it; `first` where they do not."""
    return front.pick(points, rule(told), floors(told, objectives))


def rule(told: Any) -> str:
    return "constraint" if isinstance(told, Mapping) else told if told == "knee" else "first"


def bounds(told: Any) -> dict[str, str]:
    """Metric -> its bound in words, of the rule `constraint`."""
    found = told.get("constraint") if isinstance(told, Mapping) else None
    return {str(name): str(bound) for name, bound in found.items()} if isinstance(found, Mapping) else {}


def floors(told: Any, objectives: Sequence[Goal]) -> list[float | None]:
    """The bound of each objective, higher is better; None where there is none that can be read."""
    known = bounds(told)
    return [_number(known.get(objective.metric, "")[2:], objective.sign) for objective in objectives]


def _number(text: str, sign: int) -> float | None:
    try:
        return float(text) * sign
    except ValueError:
        return None
