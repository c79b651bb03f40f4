"""How many trials stand how, which are best, and how fast they were: kept up as trials begin and end.

So that asking, after every row and every end, costs the same whether there were ten trials before or ten thousand.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Sequence
from itertools import islice


class Tally:
    """Told of each trial when it is asked for, when it ends, and when one that failed is opened again."""

    def __init__(self) -> None:
        self.states: Counter[str] = Counter()
        self.running: set[int] = set()
        self.paces = array("d")  # seconds an epoch of the trials that have ended, in order
        self.epochs = 0  # of the trials that are complete or were stopped, together
        self.failures: Counter[str] = Counter()  # by the first line of their reason
        self.best: int | None = None
        self.ranked: list[tuple[list[float], int]] = []  # complete trials, the best first: see `_key`
        self.front: dict[int, Sequence[float]] = {}  # complete trials that none dominates: values, higher is better

    def begun(self, number: int) -> None:
        self.states["running"] += 1
        self.running.add(number)

    def ended(self, number: int, state: str, reason: str | None, epochs: int, seconds: float | None) -> None:
        self.states["running"] -= 1
        self.states[state] += 1
        self.running.discard(number)
        if epochs and seconds:
            insort(self.paces, seconds / epochs)
        if state == "failed":
            self.failures[_head(reason)] += 1
        else:
            self.epochs += epochs

    def completed(self, number: int, points: Sequence[float]) -> None:
        """The values of a trial that is complete; of equals the lower number is best, and all stand on the front."""
        if self.best is None or _key(number, points) < _key(self.best, self.front[self.best]):
            self.best = number
        insort(self.ranked, _key(number, points))
        there = list(islice(self.front.values(), 1 if len(points) == 1 else None))  # of one objective all are equal
        if not any(_dominates(other, points) for other in there):
            if any(_dominates(points, other) for other in there):
                self.front = {n: other for n, other in self.front.items() if not _dominates(points, other)}
            self.front[number] = points

    def reopened(self, number: int, reason: str | None, epochs: int, seconds: float | None) -> None:
        """A trial that has failed is run again."""
        self.states["failed"] -= 1
        self.failures[_head(reason)] -= 1
        if epochs and seconds:
            del self.paces[bisect_left(self.paces, seconds / epochs)]
        self.begun(number)

    @property
    def failing_alike(self) -> int:
        """How many trials have ended, if all of them have failed with one reason; else 0."""
        ended = self.states.total() - self.states["running"]
        return ended if ended and max(self.failures.values(), default=0) == ended else 0


def _head(reason: str | None) -> str:
    return (reason or "").partition("\n")[0]


def _dominates(a: Sequence[float], b: Sequence[float]) -> bool:
    return all(x >= y for x, y in zip(a, b)) and any(x > y for x, y in zip(a, b))


def _key(number: int, points: Sequence[float]) -> tuple[list[float], int]:
    """See `stats.front.best`: the lowest key is best."""
    return [-value for value in points], number
