"""Stoppers: when is a trial not worth its next epoch? Pure functions of the learning curves in the ledger.

One function a stopper, filed under the name of its spec (`study/specs.py`). Each is asked after every epoch of a trial
and returns the rung (the epoch at which the trial is stopped) or None. Curves map epochs to values of which higher is
better; a value that is not a number is worse than any number. A stopper has no state of its own, so that a study that
was killed and resumed decides as one that was not.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping
from typing import Any

from dfkd_ray.study.specs import Asha, Median, NoStopper, StopperSpec
from dfkd_ray.util.registry import Registry

Curve = Mapping[int, float]  # epoch (from 1) -> value, higher is better
Decide = Callable[[Any, int, Mapping[int, Curve], int], int | None]
deciders: Registry[Decide] = Registry("stopper")


def decide(spec: StopperSpec, trial: int, curves: Mapping[int, Curve], mode: str, max_epochs: int) -> int | None:
    """Whether `trial` is to be stopped after its latest epoch, and at which rung.

    `curves` has the raw values of all trials so far, `mode` says which way is better. The last epoch is never a rung:
    a trial that has come so far is complete.
    """
    sign = 1.0 if mode == "max" else -1.0
    signed = {t: {e: -math.inf if math.isnan(v) else sign * v for e, v in c.items()} for t, c in curves.items()}
    epoch = max(signed.get(trial, {}), default=0)
    if epoch < max(spec.grace, 1) or epoch >= max_epochs:
        return None
    return deciders[spec.registered_as](spec, trial, signed, max_epochs)  # type: ignore[attr-defined]


@deciders.register("none")
def none(spec: NoStopper, trial: int, curves: Mapping[int, Curve], max_epochs: int) -> int | None:
    """Never."""
    return None


@deciders.register("median")
def median(spec: Median, trial: int, curves: Mapping[int, Curve], max_epochs: int) -> int | None:
    """The median stopping rule of Golovin et al., "Google Vizier" (2017), section 3.2.

    Stop at epoch e if the trial's best value up to e is worse than the median, over the other trials that have
    reached e, of their mean values up to e.
    """
    epoch = max(curves[trial])
    means = [
        statistics.fmean(value for e, value in curve.items() if e <= epoch)
        for other, curve in curves.items()
        if other != trial and epoch in curve
    ]
    if len(means) < spec.trials:
        return None
    return epoch if max(curves[trial].values()) < statistics.median(means) else None


@deciders.register("asha")
def asha(spec: Asha, trial: int, curves: Mapping[int, Curve], max_epochs: int) -> int | None:
    """Asynchronous successive halving (Li et al., 2020) in the variant that stops at once and never pauses.

    Rungs are the epochs grace * reduction^k below the last. At a rung a trial goes on if fewer than
    max(1, floor(n / reduction)) of the n trials that have reached it so far, this one among them, are better.
    """
    epoch = max(curves[trial])
    if epoch not in rungs(spec, max_epochs):
        return None
    reached = [curve[epoch] for curve in curves.values() if epoch in curve]
    own = curves[trial][epoch]
    better = sum(value > own for value in reached)
    goes_on = better < max(1, len(reached) // spec.reduction) and own > -math.inf
    return None if goes_on else epoch


def rungs(spec: Asha, max_epochs: int) -> list[int]:
    """The epochs at which ASHA decides: [2, 6, 18] for a grace of 2, a reduction of 3 and 20 epochs."""
    found: list[int] = []
    epoch = spec.grace
    while epoch < max_epochs:
        found.append(epoch)
        epoch *= spec.reduction
    return found
