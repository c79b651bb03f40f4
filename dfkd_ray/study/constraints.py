"""What a trial must keep to, to win a sweep: `constraints: {seconds: "<= 60", peak_memory: "<= 2e9"}`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.yamls import Problems


@dataclass(frozen=True)
class Constraint:
    """A bound on a metric of the last epoch, or on a cost of the trial, in the metric's unit; `most`: from above."""

    metric: str
    most: bool
    bound: float

    def excess(self, value: float) -> float:
        """By how much a value is outside; 0 or less where it is not, which is what Optuna takes for feasible."""
        return value - self.bound if self.most else self.bound - value

    def __str__(self) -> str:
        return f"{'<=' if self.most else '>='} {self.bound:.17g}"


def parse(raw: Any) -> tuple[Constraint, ...]:
    """As a study file has them; ConfigError with every mistake."""
    if not isinstance(raw, Mapping):
        raise ConfigError.at("", f'expected {{metric: bound}}, such as {{seconds: "<= 60"}}, got {raw!r}')
    limits.count("constraints", raw)
    problems = Problems()
    read = [problems.attempt(str(name), _one, str(name), bound) for name, bound in raw.items()]
    problems.stop_if_any()
    return tuple(constraint for constraint in read if constraint is not None)


def plain(constraints: Sequence[Constraint]) -> dict[str, str]:
    return {constraint.metric: str(constraint) for constraint in constraints}


def _one(name: str, bound: Any) -> Constraint:
    row = metrics.find(name)
    if row.split == "test" or name.startswith("test"):
        raise ConfigError.at("", "the test split is for the report alone, no study may select by it")
    if row.when == "end":
        raise ConfigError.at(
            "", "is measured once, at the end; a constraint is on a metric of each epoch, or on a cost"
        )
    found = re.fullmatch(r"\s*(<=|>=)\s*([-+.0-9eE]+)\s*", bound) if isinstance(bound, str) else None
    try:
        number = math.nan if found is None else float(found[2])
    except ValueError:
        number = math.nan
    if found is None or not math.isfinite(number):
        raise ConfigError.at("", f'expected a bound such as "<= 60" or ">= 0.5", got {bound!r}')
    return Constraint(name, found[1] == "<=", number)
