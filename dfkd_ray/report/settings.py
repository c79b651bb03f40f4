"""The searched settings: their domains, and where a value lies in them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from dfkd_ray.util import words

EDGE = 0.05  # a value within this share of a range's end is "at the edge"


@dataclass(frozen=True)
class Parameter:
    """One searched path and its domain.

    `kind` is uniform, log, int or choice (a switch is a choice of false and true). `declared` is false where the tables
    do not hold the study file, so that the range is only what was seen.
    """

    path: str
    label: str
    kind: str
    low: float = 0.0
    high: float = 1.0
    options: tuple[Any, ...] = ()
    declared: bool = True
    condition: str | None = None

    @property
    def numeric(self) -> bool:
        return self.kind != "choice"

    def place(self, value: Any) -> float | None:
        """Where a value stands on this parameter's own axis: itself, or its option's index; None if it has no place."""
        if self.numeric:
            fits = is_number(value) and (self.kind != "log" or value > 0)
            return float(value) if fits else None
        keys = [_key(option) for option in self.options]
        return float(keys.index(_key(value))) if _key(value) in keys else None

    def share(self, value: Any) -> float | None:
        """Where a value stands between the ends of the domain, 0 to 1 (in powers for a log domain)."""
        place = self.place(value)
        if place is None:
            return None
        if not self.numeric:
            return (place + 0.5) / len(self.options)
        if self.high == self.low:
            return 0.5
        low, high, at = (math.log(v) if self.kind == "log" else v for v in (self.low, self.high, place))
        return (at - low) / (high - low)

    def edge(self, value: Any) -> str | None:
        """`lower` or `upper` if the value lies at that end of the declared range: the optimum may lie beyond it."""
        ordered = not self.numeric and len(self.options) >= 3 and all(map(is_number, self.options))
        if not self.declared or not (self.numeric or ordered) or self.place(value) is None:
            return None
        if ordered:
            return {min(self.options): "lower", max(self.options): "upper"}.get(value)
        share = self.share(value)
        margin = 0.0 if self.kind == "int" else EDGE  # of whole numbers only the end itself is the edge
        if share is None or self.high == self.low:
            return None
        return "lower" if share <= margin else "upper" if share >= 1 - margin else None

    @property
    def domain(self) -> str:
        """The domain in words."""
        if not self.numeric:
            return words.listed([words.setting(option) for option in self.options], "or")
        between = f"{words.setting(self.low)} to {words.setting(self.high)}"
        return between + {"log": ", logarithmic", "int": ", whole numbers"}.get(self.kind, "")


def parameters(search: Any, seen: Sequence[Mapping[str, Any]], fixed: Any = None) -> tuple[Parameter, ...]:
    """The study's search space; where the tables do not hold it, every change that differs between trials."""
    values = {path: [c[path] for c in seen if path in c] for path in dict.fromkeys(p for c in seen for p in c)}
    if isinstance(search, Mapping) and search:
        labels = words.tails(search)
        return tuple(_declared(path, labels[path], raw, values.get(path, [])) for path, raw in search.items())
    ignored = fixed if isinstance(fixed, Mapping) else {}
    varied = [
        p for p, vs in values.items() if p not in ignored and (len({_key(v) for v in vs}) > 1 or len(vs) < len(seen))
    ]
    labels = words.tails(varied)
    return tuple(_observed(path, labels[path], values[path]) for path in varied)


def _declared(path: str, label: str, raw: Any, seen: Sequence[Any]) -> Parameter:
    raw = raw if isinstance(raw, Mapping) else {}
    when = raw.get("when")
    condition = _condition(when) if isinstance(when, Mapping) else None
    for kind in ("uniform", "log", "int"):
        ends = raw.get(kind)
        if isinstance(ends, list) and len(ends) == 2 and all(map(is_number, ends)) and (kind != "log" or min(ends) > 0):
            return Parameter(path, label, kind, ends[0], ends[1], condition=condition)
    if raw.get("bool"):
        return Parameter(path, label, "choice", options=(False, True), condition=condition)
    if isinstance(raw.get("choice"), list):
        return Parameter(path, label, "choice", options=_distinct([*raw["choice"], *seen]), condition=condition)
    return _observed(path, label, seen)


def _observed(path: str, label: str, seen: Sequence[Any]) -> Parameter:
    numbers = [v for v in seen if is_number(v)]
    if numbers and len(numbers) == len(seen) and any(isinstance(v, float) for v in numbers):
        return Parameter(path, label, "uniform", min(numbers), max(numbers), declared=False)
    return Parameter(path, label, "choice", options=_distinct(seen), declared=False)


def _condition(when: Mapping[str, Any]) -> str:
    labels = words.tails(when)
    parts = []
    for path, wanted in when.items():
        options = wanted if isinstance(wanted, list) else [wanted]
        parts.append(f"{labels[path]} is {words.listed([words.setting(v) for v in options], 'or')}")
    return words.listed(parts)


def is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _distinct(values: Sequence[Any]) -> tuple[Any, ...]:
    return tuple({_key(value): value for value in reversed(values)}[key] for key in dict.fromkeys(map(_key, values)))


def _key(value: Any) -> str:
    """Equal values have equal keys: 1 and 1.0 are the same, 1 and true are not."""
    return json.dumps(int(value) if is_number(value) and value == int(value) else value, sort_keys=True)
