"""What a planned study can tell: an ablation by its pairs, a sweep by its trials and the noise between seeds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from dfkd_ray import metrics
from dfkd_ray.stats.contrasts import Contrast
from dfkd_ray.stats.effects import MIN_PAIRS
from dfkd_ray.stats.power import flattery, pairs_needed, power_of, smallest_effect, smallest_lead
from dfkd_ray.study import Study, published
from dfkd_ray.study.ablation import Ablation
from dfkd_ray.study.paths import Walk
from dfkd_ray.tune import earlier
from dfkd_ray.tune.earlier import Scatter
from dfkd_ray.util import words

Spread = tuple[float, str]  # standard deviation of a paired difference, in the objective's units; where it is from
SHOWN = 3  # folders of earlier studies that are named
POWER, ADVISED = 0.8, 5  # the power that is planned for; seeds that are advised where fewer are asked for


def describe(study: Study, ablation: Ablation, measured: Spread | None) -> Iterator[str]:
    """Lines: what is told at the start, over all effects and looks; then what the study's published claims take.

    `measured`: of earlier ablations, where the study states no spread.
    """
    metric = study.objective[0].metric
    if ablation.spread is not None:
        measured = (ablation.spread / metrics.find(metric).unit.scale, "stated")
    if ablation.pairs < MIN_PAIRS:
        yield f"with fewer than {MIN_PAIRS} pairs no effect gets a p value"
    else:
        yield from _smallest(metric, ablation, measured)
    if study.published:
        yield from _claims(study, ablation, measured)


def spread(study: Study, folders: Iterable[Path]) -> Spread | None:
    """How far earlier ablations in these folders scattered, the first that tells; None of a sweep."""
    found = None if study.ablation is None else earlier.deviation(study, folders)
    return None if found is None else (found[0], f"measured in {found[1]}")


def noise(study: Study, folders: Iterable[Path]) -> Scatter | None:
    """How far seeds of one setting scatter in these folders; None of an ablation, which goes by its spread."""
    return earlier.noise(study, folders) if study.ablation is None else None


def of_a_sweep(study: Study, measured: Scatter | None, seeds: int = 1) -> Iterator[str]:
    """Lines: how far seeds scatter, and which lead of a setting so many trials, each of so many seeds, can tell.

    `measured`: None where no earlier study tells. Of a run alone there is nothing to say.
    """
    metric, trials = study.objective[0].metric, study.trials
    if study.one_run:
        return
    if measured is None:
        yield (
            "noise between seeds: not known, since no earlier study of this method and task has run a setting with two "
            "seeds: a sweep or an ablation with `seeds:` tells, or --from FOLDER names such a study"
        )
        return
    own = measured.deviation / math.sqrt(seeds)
    said = metrics.changed(metric, measured.deviation, signed=False)
    where = words.some([str(folder) for folder in measured.folders], SHOWN)
    settings = words.for_terminal(words.count(measured.settings, "setting"))
    yield f"noise between seeds: {said} (standard deviation, {measured.trials} trials of {settings}, in {where})"
    if trials is None or trials < 2:
        return
    lead, flattered = (
        metrics.changed(metric, value, signed=False)
        for value in (smallest_lead(trials, own, POWER), flattery(trials, own))
    )
    each = words.for_terminal(words.count(seeds, "seed"))
    what = "trials" if seeds == 1 else "settings"
    yield (
        f"{trials} {what} of {each} find the best setting with probability {POWER:g} where it leads all others by "
        f"{lead}; of settings that are equal the best one looks {flattered} better than it is"
    )


def _level(ablation: Ablation) -> float:
    """Of each look."""
    return 1 - 0.05 / len(ablation.seeds.looks)


def _smallest(metric: str, ablation: Ablation, measured: Spread | None) -> Iterator[str]:
    """The smallest effect of a component that the pairs tell: alone, and as the first of all that are judged."""
    if isinstance(ablation.design, Walk):
        count, width = len(ablation.components), 1.0
    else:
        found = [each.scale for each in ablation.contrasts() if each.kind in ("simple", "main")]
        count, width = len(found), max(found)
    rules = {1: "by itself"} | ({count: f"among {count} effects that scatter alike"} if count > 1 else {})
    for effects, rule in rules.items():
        least = smallest_effect(ablation.pairs, width, _level(ablation), POWER, effects)
        value = f"{least:.2f} standard deviations of a paired difference of two arms"
        if measured is not None:
            told, spread = (metrics.changed(metric, times * measured[0], signed=False) for times in (least, 1.0))
            value = f"{told} (spread {spread}, {measured[1]})"
        yield f"smallest effect told with power {POWER:g}, {rule}: {value}"
    if ablation.pairs < ADVISED:
        yield _advice(ablation, count)


def _advice(ablation: Ablation, effects: int) -> str:
    """To take more seeds: what the pairs that are asked for tell of an effect that the advised number tells."""
    enough = smallest_effect(ADVISED, 1.0, _level(ablation), POWER, effects)
    now = power_of(ablation.pairs, enough, 1.0, _level(ablation), effects)
    seeds = math.ceil(ADVISED / ablation.points)
    how = f"take {seeds} seeds (--seeds {seeds})" if ablation.seeds.until is None else f"start with {seeds} seeds"
    return (
        f"better {how}: an effect that {ADVISED} pairs tell with power {POWER:g}, {ablation.pairs} tell with {now:.2f}"
    )


def _claims(study: Study, ablation: Ablation, measured: Spread | None) -> Iterator[str]:
    """The seeds that would tell each published difference among all claims."""
    table, column = published.find(study.published)
    metric = study.objective[0].metric
    if not table.claims:
        return
    if measured is None:
        yield (
            "how many seeds would tell the published differences is not known: neither earlier trials nor the table "
            "say how far accuracies scatter. Run it with a few seeds and plan again, or state `spread: POINTS`"
        )
        return
    spread, whose = measured
    said = metrics.changed(metric, spread, signed=False)
    family = f" among {len(table.claims)} claims" if len(table.claims) > 1 else ""
    yield f"seeds that would tell what was published with power {POWER:g}{family} (spread {said}, {whose}):"
    for claim in table.claims:
        difference = published.printed(table, claim, column)
        width = Contrast(claim.text, "simple", claim.text, claim.weights).scale * spread
        seeds = "none"
        if difference:
            effect = difference / metrics.find(metric).unit.scale
            pairs = pairs_needed(effect, width, _level(ablation), POWER, len(table.claims))
            seeds = f"{math.ceil(pairs / ablation.points):,}"
        yield f"  {seeds:>5}  {claim.text} ({difference:+.2f})"
