"""Which trials hang: those that report nothing for a multiple of the longest that any took for an epoch so far."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from dfkd_ray.util.words import roughly

FACTOR = 20.0  # an arm of a study may be slower than another by less than that, as a rule
LOOK = 1.0  # seconds between two looks at all that run
PATIENCE = 600.0  # seconds: what is shorter is no hang, whatever the multiple


@dataclass
class Watchdog:
    """Told when a trial begins, reports and ends; `factor`: of the longest wait so far, 0 never barks."""

    factor: float = FACTOR
    patience: float = PATIENCE
    ticks: Callable[[], float] = time.monotonic
    slowest: float = 0.0  # seconds between two signs of life; the first epoch's with all that comes before it
    since: dict[int, float] = field(default_factory=dict)  # trial -> its last sign of life
    _looked: float = -math.inf

    def began(self, trial: int) -> None:
        self.since[trial] = self.ticks()

    def reported(self, trial: int) -> None:
        now = self.ticks()
        self.slowest = max(self.slowest, now - self.since.get(trial, now))
        self.since[trial] = now

    def ended(self, trial: int) -> None:
        self.since.pop(trial, None)

    @property
    def limit(self) -> float | None:
        """Seconds that a trial may take for an epoch; None while no epoch was seen, and where it is off."""
        return max(self.factor * self.slowest, self.patience) if self.factor and self.slowest else None

    def looks(self) -> bool:
        """Whether to ask now who is overdue: a thousand trials need not be looked at with each report of one."""
        now = self.ticks()
        if now < self._looked + LOOK:
            return False
        self._looked = now
        return True

    def overdue(self, trial: int) -> bool:
        return self.limit is not None and self.ticks() - self.since.get(trial, self.ticks()) > self.limit

    @property
    def said(self) -> str:
        """Why a trial that is overdue was ended."""
        assert self.limit is not None
        longest = f"the longest so far took {roughly(self.slowest)}"
        return f"no epoch within {roughly(self.limit)} ({longest}), so it is taken to hang: --watchdog says when"
