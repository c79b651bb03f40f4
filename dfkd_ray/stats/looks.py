"""When to look at an experiment that runs on until it has told enough, and what each look costs.

Who stops at the first look at which p is below 0.05 is wrong more often than in 5 % of experiments, and who stops when
intervals are narrow has picked those that are narrow by chance (Armitage, McPherson and Rowe, 1969). So the looks are
fixed before anything is run, and the level is split over them: with k looks each is made at (1 - level) / k. By
Bonferroni's inequality all intervals of all looks hold together with probability `level`, and no family of effects has
a false verdict at any look with more than 1 - level, whatever the rule that stops, however the looks depend on one
another, and for any metric. Pocock's bounds (1977) would be a little wider, but rest on normal values of known spread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Literal

from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import TOLD, Effect, Outcomes, effects, widest

Told = Literal["told"]
Until = float | Told  # an interval's width in units of the metric, or that every effect is told apart


def schedule(start: int, most: int) -> tuple[int, ...]:
    """The numbers of seeds at which effects are looked at: `start`, twice as many each time, at last `most`."""
    found = [start]
    while found[-1] < most:
        found.append(min(2 * found[-1], most))
    return tuple(found)


def seeds_wanted(
    contrasts: Sequence[Contrast], outcomes: Outcomes, seeds: Sequence[int], start: int, until: Until, draws: int = 1
) -> tuple[int, ...]:
    """Those of `seeds` that all arms are to be run with by now.

    outcomes: of the pairs that have ended in all arms; a look waits until all pairs of its seeds have. The seeds of the
    first look after which nothing is left to ask for; while none is, those of the next one.
    """
    counts = schedule(start, len(seeds))
    for count, _ in pairwise(counts):
        now = {
            arm: {pair: value for pair, value in values.items() if pair[0] in seeds[:count]}
            for arm, values in outcomes.items()
        }
        pairs = {pair for values in now.values() for pair in values}
        if len(pairs) < count * draws:
            return tuple(seeds[:count])
        if _enough(effects(contrasts, now, "", "max", resamples=0, looks=len(counts)), until):
            return tuple(seeds[:count])
    return tuple(seeds)


def _enough(found: Iterable[Effect], until: Until) -> bool:
    """Shapley values aside, which are sums of the other effects, and comparisons of a method with itself."""
    if until != "told":
        return widest(found) <= until
    asked = [effect for effect in found if effect.kind != "shapley"]
    return all(effect.verdict in TOLD or effect.difference == effect.standard_error == 0 for effect in asked)
