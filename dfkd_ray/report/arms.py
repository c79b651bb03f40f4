"""The arms of an ablation: the methods that were compared, each with its own trials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.stats import paired

LEVEL = 0.95


@dataclass(frozen=True)
class ArmRow:
    """One method of an ablation. An arm that resolves to the method of another has the trials of that one."""

    name: str
    levels: Mapping[str, str]  # component -> level; none where the arm was named by hand
    changes: Mapping[str, Any]
    runs_as: str | None  # the arm that was run for it, since both are the same method
    trials: tuple[TrialRow, ...]  # one a pair, by number; none of a tuning search
    tuning: tuple[TrialRow, ...] = ()  # of the search of this arm

    @property
    def complete(self) -> tuple[TrialRow, ...]:
        """The trials that count: complete, every objective finite."""
        return tuple(t for t in self.trials if t.complete and None not in t.values)

    @property
    def failed(self) -> tuple[TrialRow, ...]:
        """The trials that have ended without a finite value of each objective."""
        done = {t.number for t in self.complete}
        return tuple(t for t in self.trials if t.state != "running" and t.number not in done)


@dataclass(frozen=True)
class Spread:
    """Mean, standard deviation (n - 1) and Student's 95 % interval of n values; None where n is too small for one.

    cut: the interval left the range of its metric and ends where that does.
    """

    n: int
    mean: float | None = None
    deviation: float | None = None
    low: float | None = None
    high: float | None = None
    cut: bool = False

    @classmethod
    def of(cls, metric: str, values: Sequence[float]) -> Spread:
        found = paired.mean(values, LEVEL)
        low, high = metrics.within(metric, found.low, found.high)
        return cls(found.n, found.mean, found.deviation, low, high, (low, high) != (found.low, found.high))


def parse(raw: Any, trials: Iterable[TrialRow]) -> tuple[ArmRow, ...]:
    """The arms as the metadata lists them; where it lists none, those that the trials name."""
    found = list(trials)
    told = [each for each in raw if isinstance(each, Mapping) and each.get("name")] if isinstance(raw, list) else []
    listed = told or [{"name": name} for name in dict.fromkeys(t.arm for t in found if t.arm)]
    return tuple(_arm(each, found) for each in listed)


def name_with_twins(arm: ArmRow, every: Iterable[ArmRow]) -> str:
    """The name of an arm with those of its twins: `both = order 3`."""
    return " = ".join([arm.name, *(other.name for other in every if other.runs_as == arm.name)])


def _arm(raw: Mapping[str, Any], trials: Sequence[TrialRow]) -> ArmRow:
    name, other = str(raw["name"]), raw.get("runs_as")
    runs_as = str(other) if other and other != name else None
    own = [trial for trial in trials if trial.arm == (runs_as or name)]
    return ArmRow(
        name,
        {str(key): str(level) for key, level in _mapping(raw.get("levels")).items()},
        _mapping(raw.get("changes")),
        runs_as,
        tuple(trial for trial in own if not trial.tuning),
        tuple(trial for trial in own if trial.tuning),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
