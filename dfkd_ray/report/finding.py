"""The top of an ablation's page: the sentence that a paper would print, the big numbers.

No claim is stronger than the verdict of its effect: only what helps or hurts gets a number in the sentence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dfkd_ray import metrics
from dfkd_ray.report import answer, confirmed, effects, standings
from dfkd_ray.report.answer import trials, work
from dfkd_ray.report.blocks import Number, Numbers
from dfkd_ray.report.effects import HELPS, HURTS, SINGLE, TOO_FEW, EffectRow
from dfkd_ray.report.trial import Goal
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

_SPELLED, _NAMED = 3, 4  # effects of one verdict that the sentence spells out, or names


def answers(tables: Tables) -> list[str]:
    """What a study answers, first who leads, as plain sentences: of an ablation what was told, of a sweep the best
    trial, after what confirmed it."""
    told = sentence(tables) if tables.is_ablation else answer.sentence(tables)
    return [said for said in (standings.sentence(tables), *confirmed.sentences(tables.confirmed), told) if said]


def sentence(tables: Tables) -> str:
    """The answer, as plain text."""
    objective = tables.objective
    found = effects.told(tables, objective.metric)
    if not found:
        return "No pair of trials has ended in every arm yet, so there is no effect to tell."
    clauses = list(_clauses(found, objective))
    same = effects.same(tables)
    said = "; ".join([*clauses, *_open([effect for effect in found if effect.contrast not in same])])
    said += "".join(f"; {contrast} compares a method with itself" for contrast in same)
    if tables.note.get("finished") is False:
        return f"So far: {said}."
    starts = said.startswith(("with ", "without "))
    return f"{said[0].upper() if starts else said[0]}{said[1:]}."


def _clauses(found: Sequence[EffectRow], objective: Goal) -> Iterator[str]:
    """What was told, wins first, the largest where there are many; then how components work together."""
    subject = metrics.inside(objective.metric)
    for verdict in (HELPS, HURTS):
        own = [effect for effect in found if effect.kind in SINGLE and effect.verdict == verdict]
        largest = sorted(own, key=lambda effect: -abs(effect.difference or 0.0))[:_SPELLED]
        shown = [effect for effect in own if effect in largest]
        for effect in shown:
            yield _single(effect, objective, subject)
            subject = "it"
        if rest := [effect for effect in own if effect not in shown]:
            yield f"{words.count(len(rest), 'more comparison')} {'help' if verdict == HELPS else 'hurt'}"
    for effect in found:
        if effect.kind == "interaction" and effect.told:
            more = "more" if effect.verdict == HELPS else "less"
            size = _amount(effect.metric, effect.difference or 0.0)
            pair = words.listed(effect.component.split(" x "))
            yield f"{pair} do {more} together than their effects add up to, by {size} ({_evidence(effect)})"


def _single(effect: EffectRow, objective: Goal, subject: str) -> str:
    """An effect that was told: which way the metric goes, how far, and on what evidence."""
    difference = effect.difference or 0.0
    head, turned, tail = _change(effect)
    size, evidence = _amount(effect.metric, difference), _evidence(effect)
    plain = objective.mode == "max" and effect.verdict == HELPS
    verdict = "" if plain else f", so {effect.component} {effect.verdict}"
    if head is None:
        way = "higher" if difference > 0 else "lower"
        return f"{effect.contrast}: {subject} is {size} {way} ({evidence}){verdict}"
    way = "rises" if (difference > 0) != turned else "falls"
    return f"{head}, {subject} {way} by {size}{tail} ({evidence}){verdict}"


def _change(effect: EffectRow) -> tuple[str | None, bool, str]:
    """How an effect is told: what was done, whether that is the reverse of the contrast, and what stands behind it."""
    name, rest = effect.component, effect.rest
    if rest is None:
        return None, False, ""
    if rest == "the rest on":
        return f"without {name}", True, ""
    if rest == "the rest off":
        return f"with {name} alone", False, ""
    if rest == "mean over the rest":
        return f"with {name}", False, " on average over the rest"
    return f"with {name} on top of {rest.removesuffix(' on')}", False, ""


def _amount(metric: str, difference: float) -> str:
    """A difference without its sign."""
    return metrics.changed(metric, abs(difference), signed=False)


def _evidence(effect: EffectRow) -> str:
    """Interval in the sense of the amount, pairs, p, and what weakens it."""
    low, high = effect.low, effect.high
    if low is not None and high is not None and (effect.difference or 0.0) < 0:
        low, high = -high, -low
    p = words.probability(effect.p_holm)
    parts = [
        f"95{words.NBSP}% interval {metrics.interval(effect.metric, low, high)}",
        f"n{words.NBSP}={words.NBSP}{effect.pairs}",
        f"p{words.NBSP}{p if p.startswith('<') else f'={words.NBSP}{p}'}",
        *([f"{words.count(effect.lost, 'pair')} lost"] if effect.lost else []),
        *([f"aliased with {words.listed(effect.aliases)}"] if effect.aliases else []),
    ]
    return ", ".join(parts)


def _open(found: Sequence[EffectRow]) -> Iterator[str]:
    """What was not told: single effects by name, or counted where there are many."""
    single = [effect for effect in found if effect.kind in SINGLE]
    called = dict(zip(map(id, single), effects.names(single)))
    for verdict in dict.fromkeys(effect.verdict for effect in single if not effect.told):
        own = [called[id(effect)] for effect in single if effect.verdict == verdict]
        yield _left_open(own if len(own) <= _NAMED else [f"{len(own)} of {len(single)} comparisons"], len(own), verdict)


def _left_open(who: Sequence[str], count: int, verdict: str) -> str:
    """Who has this verdict. `a and b cannot be told apart` would be of the one from the other."""
    if verdict == TOO_FEW:
        return f"{words.listed(who)} {'has' if count == 1 else 'have'} {verdict}"
    if len(who) == 1 or not verdict.startswith("cannot "):
        return f"{words.listed(who)} {verdict}"
    none = f"neither {who[0]} nor {who[1]}" if len(who) == 2 else f"none of {words.listed(who)}"
    return f"{none} can {verdict.removeprefix('cannot ')}"


def numbers(tables: Tables) -> Numbers:
    """The big numbers: what the first arm or the method itself reaches, how much was told, what it took."""
    metric = tables.objective.metric
    leading = standings.lead(tables)
    single = effects.told(tables, metric, *SINGLE)
    told = sum(effect.told for effect in single)
    shown = [Number(f"{told} of {len(single)}", "Effects told apart", f"on {metrics.inside(metric)}, all counted")]
    if (arm := standings.reference(tables) if leading is None else leading.first) is not None:
        spread = tables.spread(arm.complete, metric)
        reached, whose = metrics.with_unit(metric, spread.mean), f"{arm.name}, mean of {spread.n}"
        shown.insert(1 if leading is None else 0, Number(reached, metrics.label(metric), whose))
    return Numbers([*shown, trials(tables), work(tables)], first=bool(single))
