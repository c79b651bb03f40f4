"""Which arm is first: its mean with an interval, and the runner-up with the difference of the two, pair by pair.

The two are picked because they are first and second, so their interval makes no claim. A verdict is told only where the
study had asked for this comparison, as `effects.arrow` has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dfkd_ray import metrics
from dfkd_ray.report import arms, effects
from dfkd_ray.report.arms import ArmRow
from dfkd_ray.report.effects import SINGLE
from dfkd_ray.report.view import Tables
from dfkd_ray.stats import paired
from dfkd_ray.util import words

COLOURS = 5  # arms that have a colour of their own


@dataclass(frozen=True)
class Lead:
    """The first arm and the second; `ahead`: by how much, in the sense of the objective, over the pairs of both."""

    first: ArmRow
    second: ArmRow | None
    ahead: paired.Mean


def ranked(tables: Tables) -> list[ArmRow]:
    """The arms by their mean of the first objective, the best first; those without a value last."""
    goal = tables.objective

    def place(arm: ArmRow) -> float:
        mean = tables.spread(arm.trials, goal.metric).mean
        return math.inf if mean is None else -goal.sign * mean

    return sorted(tables.arms, key=place)


def alone(tables: Tables) -> list[ArmRow]:
    """The same without twins: each method once."""
    return [arm for arm in ranked(tables) if arm.runs_as is None]


def named_by_hand(tables: Tables) -> bool:
    """Whether arms are methods of their own, not combinations of components: then the question is which is first."""
    return tables.is_ablation and not any(arm.levels for arm in tables.arms)


def lead(tables: Tables) -> Lead | None:
    """Who leads; None where no arm has a value, or where the arms are made of components."""
    if not named_by_hand(tables):
        return None
    metric, sign = tables.objective.metric, tables.objective.sign
    known = [arm for arm in alone(tables) if tables.spread(arm.trials, metric).n]
    if not known:
        return None
    first, second = known[0], known[1] if len(known) > 1 else None
    theirs = {t.pair: tables.reached(t, metric) for t in second.trials} if second else {}
    pairs = [(tables.reached(t, metric), theirs.get(t.pair)) for t in first.trials]
    apart = [sign * (a - b) for a, b in pairs if a is not None and b is not None]
    return Lead(first, second, paired.mean(apart, arms.LEVEL))


def sentence(tables: Tables) -> str:
    """Who leads and by how much, as plain text; empty where nobody does."""
    found = lead(tables)
    if found is None:
        return ""
    metric = tables.objective.metric
    reached = tables.spread(found.first.trials, metric)
    ends = [metrics.with_unit(metric, end) for end in (reached.low, reached.high)]
    interval = "" if reached.low is None else f"95{words.NBSP}% interval {ends[0]} to {ends[1]}, "
    head = (
        f"{arms.name_with_twins(found.first, tables.arms)} is first: {metrics.inside(metric)} "
        f"{metrics.with_unit(metric, reached.mean)} ({interval}n{words.NBSP}={words.NBSP}{reached.n})"
    )
    if found.second is None:
        return f"{head}."
    return f"{head}. {arms.name_with_twins(found.second, tables.arms)} is second{_behind(tables, found)}."


def _behind(tables: Tables, found: Lead) -> str:
    metric, ahead = tables.objective.metric, found.ahead
    if ahead.mean is None:
        return "; they share no pair"
    size = metrics.changed(metric, ahead.mean, signed=False)
    ends = metrics.interval(metric, ahead.low, ahead.high)
    interval = "" if ahead.low is None else f"95{words.NBSP}% interval {ends}, "
    return f", {size} behind pair by pair ({interval}n{words.NBSP}={words.NBSP}{ahead.n}): {_verdict(tables, found)}"


def _verdict(tables: Tables, found: Lead) -> str:
    """What the study's own comparison of the two says."""
    assert found.second is not None
    names = [found.first.name, found.second.name]
    asked = {f"{a} against {b}" for a, b in (names, names[::-1])}
    own = [e for e in effects.told(tables, tables.objective.metric, *SINGLE) if e.contrast in asked]
    if not own:
        return "picked for being first and second, so without a verdict"
    return "told apart" if own[0].told else own[0].verdict


def reference(tables: Tables) -> ArmRow | None:
    """The arm that the others are read against: `full`, else the first of the design."""
    return next((arm for arm in tables.arms if arm.name == "full"), next(iter(tables.arms), None))


def styled(tables: Tables) -> list[tuple[ArmRow, int | None]]:
    """The arms that were run, by rank, with the place of their colour, see `chart.arm_style`: of many arms only the
    first few and the one that they are read against have one."""
    own, against = alone(tables), reference(tables)
    kept = [arm for i, arm in enumerate(own) if len(own) <= COLOURS or i < COLOURS - 1 or arm is against]
    return [(arm, kept.index(arm) if arm in kept else None) for arm in own]
