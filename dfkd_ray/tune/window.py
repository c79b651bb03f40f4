"""Which of many trials a sampler is shown, where its proposals would take ever longer."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from dfkd_ray.tune.tally import Tally

BEST = 100  # trials: four times what TPE takes for its good ones


class Window:
    """Told of each trial that ends with values; `signs` of the objectives: -1 where lower is better."""

    def __init__(self, signs: Sequence[float], most: int | None) -> None:
        self.signs, self.most = signs, most  # None: all are shown
        self._scores: dict[int, tuple[Any, ...]] = {}  # the lowest is best
        self._tally = Tally()  # for the front of several objectives

    def ended(self, number: int, state: str, values: Sequence[float] | None, last: int) -> None:
        """`last`: the latest epoch. What was stopped comes after what is complete, and of it what came furthest first,
        as TPE has it."""
        if self.most is None or not values or state == "failed":
            return
        points = [value * sign for value, sign in zip(values, self.signs)]
        self._scores[number] = (state != "complete", 0 if state == "complete" else -last, -points[0], number)
        if state == "complete":
            self._tally.completed(number, points)

    def unseen(self) -> set[int]:
        """The trials that are left out now."""
        if self.most is None or len(self._scores) <= self.most:
            return set()
        single = len(self.signs) == 1
        best = heapq.nsmallest(BEST, self._scores, self._scores.__getitem__) if single else sorted(self._tally.front)
        return left_out(sorted(self._scores), best, self.most)


def left_out(ended: Sequence[int], best: Sequence[int], most: int) -> set[int]:
    """Of trials that have ended all but `most`.

    The `best` of them stay (in half the places at most), and an even sample of the others in their order: so what a
    model takes for bad keeps its proportions.
    """
    kept = set(best[: most // 2])
    rest = [number for number in ended if number not in kept]
    room = most - len(kept)
    return set(rest) - {rest[i * len(rest) // room] for i in range(room)}
