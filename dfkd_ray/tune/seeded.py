"""What the settings of a sweep with several seeds have come to: kept up as their trials begin and they settle.

A setting is called by the number of the trial of its first seed. Nothing is in here of a sweep with one seed, whose
settings are its trials.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from dfkd_ray.stats.racing import Pooled, Residuals


@dataclass
class Seeded:
    """runs: its trials, seed by seed.

    state: `running`, until it has settled; then `complete`, where all its seeds are; `left`, where its later seeds were
        not run although none has failed; `pruned`, where the stopper stopped its first seed; `failed`, where any has.
    values: means of the objectives over the seeds that it has run with; errors: their standard errors, of two or more.
    told: what its sampler is told, see `by_setting.settling`.
    """

    runs: list[int] = field(default_factory=list)
    state: str = "running"
    reason: str | None = None
    rung: int | None = None
    values: list[float] | None = None
    errors: list[float] | None = None
    told: list[float] | None = None


class Settings:
    """All of them, and those that are open: begun, and not settled."""

    def __init__(self) -> None:
        self.all: dict[int, Seeded] = {}
        self.open: dict[int, Seeded] = {}
        self.runs = 0  # of those that have settled
        self._residuals: list[Residuals] = []  # one an objective

    def asked(self, number: int, setting: int | None) -> None:
        """A trial of the search was asked for: the first of a setting (None), or a later one of it."""
        first = number if setting is None else setting
        self.reopened(number, setting)  # had it settled, what opened it again is lost
        self.all.setdefault(first, Seeded()).runs.append(number)
        self.open[first] = self.all[first]

    def settled(self, record: Mapping[str, Any]) -> Seeded:
        """As a ledger has it."""
        old = self.all[record["trial"]]
        told = {key: record[key] for key in ("state", "reason", "rung", "values", "errors", "told")}
        self.all[record["trial"]] = new = Seeded(old.runs, **told)
        del self.open[record["trial"]]
        self.runs += len(new.runs)
        return new

    def reopened(self, number: int, setting: int | None) -> None:
        """A setting that had settled goes on: a trial of it that failed is run again, or it may win again."""
        first = number if setting is None else setting
        if first in self.all and first not in self.open:
            self.runs -= len(self.all[first].runs)
            self.all[first] = self.open[first] = Seeded(self.all[first].runs)

    def learn(self, values: Iterable[Sequence[float]]) -> None:
        """The objectives of a setting with every seed, in the order of seeds."""
        columns = list(zip(*values))
        self._residuals = self._residuals or [Residuals() for _ in columns]
        for residuals, column in zip(self._residuals, columns):
            residuals.add(column)

    @property
    def noise(self) -> list[Pooled | None]:
        """How far the runs of a setting scatter, by objective; nothing before one is complete."""
        return [residuals.noise for residuals in self._residuals]
