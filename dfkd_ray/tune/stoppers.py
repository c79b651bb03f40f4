"""Stoppers: when is a trial not worth its next epoch? Pure functions of the learning curves in the ledger.

One class a stopper, filed under the name of its spec (`study/specs.py`), with two functions: by what trials are
compared at an epoch (see `tune/ranks.py`), and whether a trial is stopped by its own values and what the others have
come to. Of values higher is better; one that is not a number is worse than any number. A stopper has no state of its
own, so that a study that was killed and resumed decides as one that was not.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import partial
from typing import Any, Protocol

from dfkd_ray.study.specs import Asha, Median, NoStopper, StopperSpec
from dfkd_ray.tune.ranks import Ranks
from dfkd_ray.util.registry import Registry

Values = Sequence[float]  # of a trial, epoch by epoch up to its latest


class Rule(Protocol):
    """What a stopper decides by."""

    @staticmethod
    def rank(spec: Any, epoch: int, values: Values) -> float | None:
        """What a trial is compared by at an epoch, given its values up to there; None where it is not compared."""
        ...

    @staticmethod
    def stops(spec: Any, values: Values, ranks: Values) -> bool:
        """Whether a trial's latest epoch is its last one; `ranks` of all that have come there, the worst first, are
        its own and those of others."""
        ...


rules: Registry[type[Rule]] = Registry("stopper")


def ranks_for(spec: StopperSpec, mode: str) -> Ranks:
    """What this stopper goes by, before the first row; `mode` says which way the metric is better."""
    return Ranks(partial(_rule(spec).rank, spec), 1.0 if mode == "max" else -1.0)


def decide(spec: StopperSpec, trial: int, ranks: Ranks, max_epochs: int) -> int | None:
    """Whether `trial` is to be stopped after its latest epoch, and at which rung.

    The last epoch is never a rung: a trial that has come so far is complete.
    """
    epochs, values = ranks.curve(trial)
    epoch = epochs[-1] if epochs else 0
    if epoch < max(spec.grace, 1) or epoch >= max_epochs:
        return None
    rule = _rule(spec)
    compared = rule.rank(spec, epoch, values) is not None
    return epoch if compared and rule.stops(spec, values, ranks.at(epoch)) else None


def _rule(spec: StopperSpec) -> type[Rule]:
    return rules[spec.registered_as]  # type: ignore[attr-defined]


@rules.register("none")
class Never:
    """Every trial runs to its last epoch."""

    @staticmethod
    def rank(spec: NoStopper, epoch: int, values: Values) -> None:
        return None

    @staticmethod
    def stops(spec: NoStopper, values: Values, ranks: Values) -> bool:
        return False


@rules.register("median")
class BelowMedian:
    """The median stopping rule of Golovin et al., "Google Vizier" (2017), section 3.2.

    Stop at epoch e if the trial's best value up to e is worse than the median, over the other trials that have
    reached e, of their mean values up to e.
    """

    @staticmethod
    def rank(spec: Median, epoch: int, values: Values) -> float | None:
        return _mean(values) if epoch >= spec.grace else None

    @staticmethod
    def stops(spec: Median, values: Values, ranks: Values) -> bool:
        own, others = bisect_left(ranks, _mean(values)), len(ranks) - 1
        if others < spec.trials:
            return False
        low, high = (ranks[i + (i >= own)] for i in ((others - 1) // 2, others // 2))  # in the middle without the own
        return max(values) < (low if others % 2 else (low + high) / 2)


def _mean(values: Values) -> float:
    """Correctly rounded; -inf where infinities of both signs, or numbers too large, leave none."""
    try:
        return math.fsum(values) / len(values)
    except (ValueError, OverflowError):
        return -math.inf


@rules.register("asha")
class BelowTheBest:
    """Asynchronous successive halving (Li et al., 2020) in the variant that stops at once and never pauses.

    Rungs are the epochs grace * reduction^k below the last. At a rung a trial goes on if fewer than
    max(1, floor(n / reduction)) of the n trials that have reached it so far, this one among them, are better.
    """

    @staticmethod
    def rank(spec: Asha, epoch: int, values: Values) -> float | None:
        return values[-1] if epoch in rungs(spec, epoch + 1) else None

    @staticmethod
    def stops(spec: Asha, values: Values, ranks: Values) -> bool:
        better = len(ranks) - bisect_right(ranks, values[-1])
        return better >= max(1, len(ranks) // spec.reduction) or values[-1] == -math.inf


def rungs(spec: Asha, max_epochs: int) -> list[int]:
    """The epochs at which ASHA decides: [2, 6, 18] for a grace of 2, a reduction of 3 and 20 epochs."""
    found: list[int] = []
    epoch = spec.grace
    while epoch < max_epochs:
        found.append(epoch)
        epoch *= spec.reduction
    return found
