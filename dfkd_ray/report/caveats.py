"""What a reader has to know before believing an ablation's intervals: draws, added seeds, tuning, paths."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dfkd_ray import metrics
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words


def caveats(tables: Tables) -> Iterator[str]:
    """A sentence each, where it applies."""
    study = tables.study
    draws, seeds, tune = study.get("draws"), study.get("seeds"), part(study, "tune")
    if isinstance(draws, int) and draws > 1:
        yield (
            f"Intervals speak of the {draws} draws that were run: where an effect changes from draw to draw, they are "
            "too narrow for draws in general."
        )
    if isinstance(seeds, dict) and seeds.get("until") is not None:
        yield _added(tables, seeds)
    if tune.get("trials"):
        yield (
            f"Each arm was tuned by a search of its own of {words.count(tune['trials'], 'trial')}, which count for no "
            "effect: effects are those of a component and of its settings together."
        )
    if part(study, "design").get("name") == "path":
        yield "The trials that pick a step of the path also estimate it: a chosen step looks larger than it is."


def _added(tables: Tables, seeds: Mapping[str, object]) -> str:
    """When seeds were added, and what it costs; tables of before the looks were paid for say what they cover."""
    until, looks = seeds["until"], tables.ablation.get("looks")
    width = f"{words.setting(until)} {metrics.points(tables.objective.metric)}".rstrip()
    enough = "every effect was told apart" if until == "told" else f"no interval was wider than {width}"
    said = f"Seeds were added until {enough}, or there were {seeds.get('max')}: "
    if not isinstance(looks, list):
        return f"{said}95{words.NBSP}% intervals that are chosen so cover the truth less often than that."
    count = len(looks)
    return (
        f"{said}effects were looked at with {words.listed(list(map(str, looks)))} of them. The level is split over the "
        f"{words.count(count, 'look')}, whether or not all were needed: intervals have a level of "
        f"{100 * (1 - 0.05 / count):.1f}{words.NBSP}% each and p values are multiplied by {count}, so that "
        f"95{words.NBSP}% and 5{words.NBSP}% hold over all looks together."
    )
