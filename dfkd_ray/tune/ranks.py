"""What stoppers compare: at each epoch the ranks of all trials that have reached it, kept in order as rows come.

A rank is a number of the trial's own curve, higher is better; which one, the stopper says (`tune/stoppers.py`). A row
costs the same whether there were ten trials before it or ten thousand.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Sequence

Rank = Callable[[int, Sequence[float]], float | None]  # (epoch, a trial's values up to it) -> None: not compared there
FEW = 8  # ranks that are put into their places one by one; more are sorted


class Ranks:
    """Of one metric; `sign` is -1 where lower is better. A value that is not a number is worse than any number."""

    def __init__(self, rank: Rank, sign: float) -> None:
        self._rank, self._sign = rank, sign
        self._curves: dict[int, tuple[array[int], array[float]]] = {}  # trial -> epochs in order, and its values there
        self._sorted: dict[int, array[float]] = {}  # by epoch
        self._waiting: dict[int, list[float]] = {}  # by epoch: ranks that nobody has asked for since they came

    def take(self, trial: int, epoch: int, value: float) -> None:
        """A trial has this value at an epoch that it had none at."""
        epochs, values = self._curves.setdefault(trial, (array("i"), array("d")))
        place = bisect_left(epochs, epoch)  # the last one, unless an epoch comes late: of a ledger that was repaired
        self._drop(epochs, values, place)
        epochs.insert(place, epoch)
        values.insert(place, -math.inf if math.isnan(value) else self._sign * value)
        for i in range(place, len(epochs)):
            if (rank := self._rank(epochs[i], values[: i + 1])) is not None:
                self._waiting.setdefault(epochs[i], []).append(rank)

    def forget(self, trial: int) -> None:
        """A trial is run again from its start."""
        self._drop(*self._curves.pop(trial, (array("i"), array("d"))), 0)

    def curve(self, trial: int) -> tuple[Sequence[int], Sequence[float]]:
        """The epochs of a trial, and its values there: higher is better, -inf where there was no number."""
        return self._curves.get(trial, (array("i"), array("d")))

    def at(self, epoch: int) -> Sequence[float]:
        """The ranks of all trials at an epoch, the worst first."""
        ranks = self._sorted.setdefault(epoch, array("d"))
        waiting = self._waiting.pop(epoch, [])
        if len(waiting) > FEW:
            ranks = self._sorted[epoch] = array("d", sorted([*ranks, *waiting]))
        else:
            for rank in waiting:
                insort(ranks, rank)
        return ranks

    def _drop(self, epochs: Sequence[int], values: Sequence[float], place: int) -> None:
        """Take a trial's ranks from a place of its curve on out."""
        for i in range(place, len(epochs)):
            if (rank := self._rank(epochs[i], values[: i + 1])) is not None:
                ranks = self.at(epochs[i])
                assert isinstance(ranks, array)
                del ranks[bisect_left(ranks, rank)]
