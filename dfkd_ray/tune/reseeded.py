"""What the fresh seeds of a confirmation have come to: kept up as its trials end, like the tally of all."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfkd_ray.metrics import Mode
from dfkd_ray.stats import winner
from dfkd_ray.stats.effects import Outcomes, Pair
from dfkd_ray.study.confirming import DEFAULTS


class Reseeded:
    """arms: what is confirmed, by name: the number of the trial of the search, None of the control. seeds: the same for
    all. alike: arm -> the arm that runs for it, since both are the same method. refused: arm -> why it is no method.
    first: the arm of a setting that has come out first, once all trials have ended."""

    def __init__(self) -> None:
        self.arms: dict[str, int | None] = {}
        self.seeds: tuple[int, ...] = ()
        self.alike: Mapping[str, str] = {}
        self.refused: Mapping[str, str] = {}
        self.first: str | None = None
        self._values: dict[str, dict[Pair, float | None]] = {}

    def begun(self, record: Mapping[str, Any], mode: Mode) -> None:
        """What is to be confirmed, as a ledger has it; what was run of it before counts, and may be all of it."""
        self.arms, self.seeds = record["arms"], tuple(record["seeds"])
        self.alike, self.refused = record["alike"], record["refused"]
        self._rank(mode)

    def ended(self, arm: str, seed: int, value: float | None, mode: Mode) -> None:
        """value: of the objective; None where the trial has failed, or does not count."""
        self._values.setdefault(arm, {})[seed, 0] = value
        self._rank(mode)

    def _rank(self, mode: Mode) -> None:
        """Which setting is first; none before all trials have ended, or where no trial of a setting has a value."""
        named = {arm: self._of(arm) for arm in self.settings} if self.complete else {}
        valued = {arm: own for arm, own in named.items() if any(value is not None for value in own.values())}
        self.first = next(iter(winner.ranked(valued, mode)), None)

    def reopened(self, arm: str, seed: int) -> None:
        """A trial that had failed is run again."""
        self._values.get(arm, {}).pop((seed, 0), None)
        self.first = None

    @property
    def run(self) -> list[str]:
        """The arms that are run by themselves."""
        return [arm for arm in self.arms if arm not in self.alike and arm not in self.refused]

    @property
    def settings(self) -> list[str]:
        """Those of the search, in its order."""
        return [arm for arm in self.run if arm != DEFAULTS]

    @property
    def complete(self) -> bool:
        """Whether every trial has ended."""
        return bool(self.arms) and all(len(self._of(arm)) == len(self.seeds) for arm in self.run)

    @property
    def outcomes(self) -> Outcomes:
        """Of each arm, those that another runs for too, the values by seed."""
        return {arm: self._of(self.alike.get(arm, arm)) for arm in self.arms if arm not in self.refused}

    def _of(self, arm: str) -> Mapping[Pair, float | None]:
        known = self._values.get(arm, {})
        return {(seed, 0): known[seed, 0] for seed in self.seeds if (seed, 0) in known}
