"""What the page says of degenerate trials: which they are, why, and that none of them wins; see `stats.degenerate`."""

from __future__ import annotations

from dfkd_ray import metrics
from dfkd_ray.report.blocks import Text
from dfkd_ray.report.view import Tables
from dfkd_ray.stats import degenerate
from dfkd_ray.util import words

_NAMED = 6  # trials of one reason


def warnings(tables: Tables) -> list[Text]:
    """One for all degenerate trials; nothing where there is none."""
    found = tables.degenerate
    if not found:
        return []
    by = {why: [n for n, own in found.items() if own == why] for why in dict.fromkeys(found.values())}
    named = words.listed([f"{_trials(numbers)} ({words.listed(list(why))})" for why, numbers in by.items()])
    rules = [rule.said for rule in degenerate.RULES if any(rule.reason in why for why in found.values())]
    return [Text(f"Degenerate: {named}. {_outcome(tables)} The rules: {'; '.join(rules)}.", "warning")]


def _trials(numbers: list[int]) -> str:
    more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
    listed = ", ".join(map(str, numbers[:_NAMED]))
    return f"trial{'s' if len(numbers) > 1 else ''} {listed}{more}"


def _outcome(tables: Tables) -> str:
    if not tables.guarded:
        whose = words.listed([metrics.inside(o.metric) for o in tables.objectives])
        return f"On such images it is easy to agree; {whose} is what was compared."
    return "On such images it is easy to agree, whatever the student knows: they are kept from winning."
