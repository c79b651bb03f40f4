"""What the trials of an ablation say: one effect a contrast, with intervals, p values and a verdict in words.

The unit is the pair (seed, draw), which all arms share. A contrast's paired value is sum_a w_a y_a(pair), its effect
the mean of those over the pairs in which every arm of the contrast has a finite value; the other pairs count as lost.
The verdict on an effect rests on its paired values alone, so what the arms of a pair have in common cancels.

Pairs are taken as independent. With several draws, pairs of one draw are not where the effect itself changes from
draw to draw: intervals then speak of the draws that were run, and are too narrow for draws in general.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from dfkd_ray.stats import paired, verdicts
from dfkd_ray.stats.contrasts import Contrast

Pair = tuple[int, int]  # seed, draw
Outcomes = Mapping[str, Mapping[Pair, float | None]]  # arm -> pair -> value; None or not finite: the trial failed
Mode = Literal["max", "min"]

MIN_PAIRS = 3  # with fewer there is no p value
LARGEST = 1e300  # a value beyond is a failed trial's, not a measurement: sums of such values overflow
DIGITS = 12  # paired values that agree to so many digits of their largest term are equal, as 0.1 + 0.2 and 0.3
HELPS, HURTS = "helps", "hurts"
TOLD = (HELPS, HURTS)
UNDECIDED = "cannot be told apart at this budget"
TOO_FEW = "too few pairs to tell"


@dataclass(frozen=True)
class Effect:
    """One row of `effects.arrow`. What cannot be said is None.

    `difference` is in units of the metric and keeps its sign where lower is better; the verdict turns it. For an
    interaction `helps` means that the components do more together than each by itself.
    """

    component: str
    kind: str
    contrast: str
    metric: str
    difference: float | None  # mean of the paired values
    standard_error: float | None
    low: float | None  # the interval of the verdict, from 3 pairs: excludes 0 where, and only where, it was told
    high: float | None
    t_low: float | None  # Student's interval of this effect by itself, from 2 pairs
    t_high: float | None
    boot_low: float | None  # bias-corrected and accelerated bootstrap over pairs, from 2 pairs
    boot_high: float | None
    p_t: float | None  # paired t test; None also where all paired values are equal: t is undefined there
    p_wilcoxon: float | None  # exact signed-rank test
    p_holm: float | None  # adjusted over the effect's family, step by step as Holm's rule does: see `verdicts`
    pairs: int
    lost: int  # pairs of the study in which some arm of the contrast has no finite value
    aliases: tuple[str, ...]
    exact: bool
    verdict: str


@dataclass(frozen=True)
class ArmSummary:
    """An arm by itself: mean, standard deviation (n - 1) and Student's interval of its n finite values."""

    arm: str
    n: int
    failed: int  # pairs of the study in which this arm has no finite value
    mean: float | None
    standard_deviation: float | None
    t_low: float | None
    t_high: float | None


def effects(
    contrasts: Iterable[Contrast],
    outcomes: Outcomes,
    metric: str,
    mode: Mode,
    level: float = 0.95,
    resamples: int = 9999,
    seed: int = 0,
    looks: int = 1,
) -> list[Effect]:
    """An effect for each contrast, in their order; `resamples=0` leaves the bootstrap out.

    Families, each held at 1 - level by itself: simple and main effects together; interactions; Shapley values. Effects
    of fewer than 3 pairs were not tested and do not count. `helps` and `hurts` need an adjusted p below 1 - level, by
    the one rule of `verdicts.judge`; Student's interval and the bootstrap's decide nothing.

    looks: how often effects are looked at, at most, before these are believed (`stats.looks`): intervals are of
    1 - (1 - level) / looks, and adjusted p are multiplied by it, so that `level` holds over all looks together.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must be between 0 and 1, got {level:g}")
    total, contrasts, each = len(_pairs(outcomes)), tuple(contrasts), 1 - (1 - level) / looks
    found = []
    for contrast in contrasts:
        values = differences(contrast.weights, outcomes)
        found.append(_effect(contrast, values, total - len(values), metric, each))
        if resamples and len(values) > 1:
            low, high = paired.bca(values, each, resamples, seed)
            found[-1] = replace(found[-1], boot_low=low, boot_high=high)
    return _with_verdicts(contrasts, found, mode, each, looks)


def arm_summary(outcomes: Outcomes, level: float = 0.95) -> list[ArmSummary]:
    """Mean and spread of each arm, for tables. They say nothing about differences: those are paired, see `effects`."""
    total = len(_pairs(outcomes))
    out = []
    for arm in outcomes:
        mean = paired.mean(differences({arm: 1.0}, outcomes), level)
        out.append(ArmSummary(arm, mean.n, total - mean.n, mean.mean, mean.deviation, mean.low, mean.high))
    return out


def widest(effects: Iterable[Effect]) -> float:
    """Largest width of a verdict's interval, Shapley values aside, in units of the metric; inf where one is unknown."""
    widths = [math.inf if e.low is None or e.high is None else e.high - e.low for e in effects if e.kind != "shapley"]
    return max(widths, default=math.inf)


def differences(weights: Mapping[str, float], outcomes: Outcomes) -> list[float]:
    """The paired values sum_a w_a y_a(pair), in the order of the pairs, where every arm of weight has a finite one."""
    used = {arm: weight for arm, weight in weights.items() if weight}
    columns = [{pair: weight * y for pair, y in _finite(outcomes.get(arm, {}))} for arm, weight in used.items()]
    if not columns:
        return []
    rows = [[column[pair] for column in columns] for pair in sorted(set.intersection(*map(set, columns)))]
    largest = max((abs(term) for row in rows for term in row), default=0.0)
    digits = DIGITS - math.ceil(math.log10(largest)) if largest else DIGITS
    return [round(math.fsum(row), digits) + 0.0 for row in rows]  # + 0.0: no minus before a zero


def _effect(contrast: Contrast, values: list[float], lost: int, metric: str, level: float) -> Effect:
    """The effect with all but the bootstrap and what depends on its family."""
    mean, enough = paired.mean(values, level), len(values) >= MIN_PAIRS
    return Effect(
        component=contrast.component,
        kind=contrast.kind,
        contrast=contrast.name,
        metric=metric,
        difference=mean.mean,
        standard_error=mean.error,
        low=None,
        high=None,
        t_low=mean.low,
        t_high=mean.high,
        boot_low=None,
        boot_high=None,
        p_t=mean.p if enough else None,
        p_wilcoxon=paired.wilcoxon(values) if enough else None,
        p_holm=None,
        pairs=len(values),
        lost=lost,
        aliases=tuple(contrast.aliases),
        exact=contrast.exact,
        verdict=TOO_FEW,
    )


def _with_verdicts(
    contrasts: Sequence[Contrast], found: list[Effect], mode: Mode, level: float, looks: int
) -> list[Effect]:
    """The same effects with adjusted p, its interval and verdict, family by family; `level` is that of one look."""
    out = list(found)
    for family in {_family(effect) for effect in found}:
        tested = [i for i, e in enumerate(found) if _family(e) == family and e.pairs >= MIN_PAIRS]
        judged = verdicts.judge([_comparison(contrasts[i], found[i]) for i in tested], level)
        for i, (p, half) in zip(tested, judged):
            difference = found[i].difference or 0.0
            verdict = UNDECIDED if not p < 1 - level else HELPS if (difference > 0) == (mode == "max") else HURTS
            ends = (None, None) if half is None else (difference - half, difference + half)
            out[i] = replace(found[i], p_holm=min(1.0, looks * p), low=ends[0], high=ends[1], verdict=verdict)
    return out


def _comparison(contrast: Contrast, effect: Effect) -> verdicts.Comparison:
    deviation = (effect.standard_error or 0.0) * math.sqrt(effect.pairs)
    return verdicts.Comparison(
        effect.difference or 0.0, deviation, effect.pairs, contrast.scale, effect.p_wilcoxon or 1.0
    )


def _family(effect: Effect) -> str:
    return "component" if effect.kind in ("simple", "main") else effect.kind


def _pairs(outcomes: Outcomes) -> set[Pair]:
    return {pair for values in outcomes.values() for pair in values}


def _finite(values: Mapping[Pair, float | None]) -> list[tuple[Pair, float]]:
    return [(pair, value) for pair, value in values.items() if value is not None and abs(value) <= LARGEST]
