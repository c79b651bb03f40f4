"""What stands on an ablation's page beside its charts: tables of effects, arms and budget, the design, and caveats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from dfkd_ray import metrics
from dfkd_ray.report import arms, effects, paste, standings
from dfkd_ray.report.arms import ArmRow
from dfkd_ray.report.blocks import Block, Cell, Folded, Heading, Inline, Listing, Mark, Section, Table, Text
from dfkd_ray.report.caveats import caveats
from dfkd_ray.report.effects import EffectRow
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables, mapping, part
from dfkd_ray.util import words


def effect_tables(tables: Tables) -> list[Block]:
    """The effects in full: on the objectives at once, on test accuracy and other metrics folded."""
    goals = [objective.metric for objective in tables.objectives]
    every = dict.fromkeys([*effects.leading(tables), *effects.every_metric(tables)])
    first = [_effects(tables, metric) for metric in every if metric in goals]
    rest = [_effects(tables, metric) for metric in every if metric not in goals]
    others = [Folded("Effects on test accuracy and the other metrics", rest)] if rest else []
    return [Heading("The effects in numbers"), *first, *others] if every else []


def _effects(tables: Tables, metric: str) -> Table:
    found = effects.told(tables, metric)
    aliased = any(effect.aliases for effect in found)
    unit = metrics.points(metric)
    less = "" if effects.mode(tables, metric) == "max" else ", less is better"
    head = [
        *("Effect", "Difference", f"95{words.NBSP}% interval", "p", "Verdict", "Pairs", "Lost"),
        *("Student's interval, by itself", "Bootstrap interval", "p (t)", "p (Wilcoxon)"),
        *(["Aliased with"] if aliased else []),
    ]
    rows = [_effect(effect, aliased) for effect in found]
    caption = f"Effects on {metrics.inside(metric)}{f', {unit}' if unit else ''}{less}"
    return Table(head, rows, caption)


def _effect(effect: EffectRow, aliased: bool) -> list[Inline | Cell]:
    metric = effect.metric
    style = effect.verdict if effect.told else "open"
    return [
        Cell(_called(effect), wide=True),
        _number(effect.difference, metrics.difference(metric, effect.difference)),
        _number(effect.low, metrics.interval(metric, effect.low, effect.high)),
        _number(effect.p_holm, words.probability(effect.p_holm)),
        Mark(effect.verdict, "verdict", style),
        _number(effect.pairs, str(effect.pairs)),
        _number(effect.lost, str(effect.lost)),
        _number(effect.t_low, metrics.interval(metric, effect.t_low, effect.t_high)),
        _number(effect.boot_low, metrics.interval(metric, effect.boot_low, effect.boot_high)),
        _number(effect.p_t, words.probability(effect.p_t)),
        _number(effect.p_wilcoxon, words.probability(effect.p_wilcoxon)),
        *([", ".join(effect.aliases) or words.DASH] if aliased else []),
    ]


def _called(effect: EffectRow) -> str:
    """What stands in the first column: the contrast in words, shorter where others say the rest."""
    if effect.kind == "shapley":
        return f"Shapley value of {effect.component}{'' if effect.exact else ', estimated'}"
    return f"interaction {effect.component}" if effect.kind == "interaction" else effect.contrast


def _number(value: float | None, shown: str) -> Cell:
    return Cell(shown, None if value is None else float(value), number=True)


def arm_tables(tables: Tables) -> list[Block]:
    """Arms with mean and spread, what each was given, and the table to paste."""
    found = paste.arm_table(tables)
    said = [Text(text, "warning") for text in _failed(tables)]
    said += [Text(text, "note") for text in (*_twins(tables), *_reused(tables))]
    ready: list[Block] = [
        Folded("The table of arms in Markdown, ready to paste", [Listing(paste.markdown(found), paste=True)]),
        Folded("The table of arms in LaTeX, ready to paste", [Listing(paste.latex(found), paste=True)]),
        Text("The same stands beside this page as arms.md and arms.tex.", "note"),
    ]
    given = [Heading("What each arm was given"), *_budget(tables)]
    return [Heading("The arms in numbers"), *said, *_arms(tables), *ready, *given]


def _arms(tables: Tables) -> list[Block]:
    shown = paste.with_test_accuracy(tables, [o.metric for o in tables.objectives])
    head = ["Arm", "n", "Failed"]
    for metric in shown:
        head += [metrics.headed(metric), f"95{words.NBSP}% interval"]
    rows = [_arm(tables, arm, shown) for arm in standings.ranked(tables)]
    caption = "The arms, best mean first: mean ± standard deviation of n trials, and Student's interval of the mean"
    told = {metric: [arm.name for arm in tables.arms if tables.spread(arm.trials, metric).cut] for metric in shown}
    notes = [Text(said, "note") for metric, names in told.items() if (said := metrics.cut(metric, names))]
    return [Table(head, rows, caption), *notes]


def _arm(tables: Tables, arm: ArmRow, names: Sequence[str]) -> list[Inline | Cell]:
    spreads = {name: tables.spread(arm.trials, name) for name in names}
    most, failed = max((spread.n for spread in spreads.values()), default=0), len(arm.failed)
    name = arm.name if arm.runs_as is None else f"{arm.name} (= {arm.runs_as})"
    cells: list[Inline | Cell] = [Cell(name), _number(most, str(most)), _number(failed, str(failed))]
    for metric, spread in spreads.items():
        fewer = "" if spread.n == most else f" (n = {spread.n})"
        said = words.DASH if spread.mean is None else f"{paste.spread(metric, spread, '±')}{fewer}"
        ends = [metrics.without_unit(metric, end) for end in (spread.low, spread.high)]
        interval = words.DASH if spread.low is None else " to ".join(ends)
        cells += [_number(spread.mean, said), _number(spread.low, interval)]
    return cells


def _budget(tables: Tables) -> list[Block]:
    """What a trial of each arm was given, as a table, and in words where that is not the same."""
    run = [arm for arm in tables.arms if arm.runs_as is None]
    given = {key: {arm.name: _mean(tables, arm, key, run) for arm in run} for key in metrics.SPENT}
    shown = [key for key, own in given.items() if any(value is not None for value in own.values())]
    tuned = any(arm.tuning for arm in run)
    rows = []
    for arm in run:
        seconds = [t.row["seconds"] for t in arm.complete if t.row["seconds"] is not None]
        mean = math.fsum(seconds) / len(seconds) if seconds else None
        total = math.fsum(t.row["seconds"] or 0.0 for t in (*arm.trials, *arm.tuning))
        counts = [_number(value, metrics.with_unit(key, value)) for key in shown for value in [given[key][arm.name]]]
        searched = [_number(len(arm.tuning), str(len(arm.tuning)))] if tuned else []
        name = Cell(arms.name_with_twins(arm, tables.arms))
        paces = [pace for t in arm.complete if (pace := _pace(t)) is not None]
        pace = math.fsum(paces) / len(paces) if paces else None
        peak = max((t.row["peak_memory"] or 0 for t in arm.complete), default=0)
        whole = [_number(mean, metrics.with_unit(metrics.TIME, mean)), _number(pace, words.duration(pace))]
        memory = _number(peak or None, metrics.with_unit(metrics.PEAK_MEMORY, peak))
        whole += [memory, _number(total, words.duration(total))]
        rows.append([name, *counts, *searched, *whole])
    head = ["Arm", *map(metrics.label, shown), *(["Tuning trials"] if tuned else [])]
    said = [Text(text, "warning") for text in _unequal(given)]
    equal = "Every arm was given the same: no trial had more updates or images than another arm's."
    told = said or ([Text(equal, "note")] if shown else [])
    head += [metrics.label(metrics.TIME), "Time per round", metrics.label(metrics.PEAK_MEMORY), "Time, all trials"]
    return [*told, Table(head, rows, "What a complete trial of each arm took: means, and the highest memory")]


def _pace(trial: TrialRow) -> float | None:
    """Seconds a round, with what belongs to an epoch as a whole; None where the table does not tell."""
    rounds = part(mapping(trial.row["method"]), "schedule").get("rounds")
    epochs, seconds = trial.row["epochs"], trial.row["seconds"]
    return seconds / (rounds * epochs) if rounds and epochs and seconds is not None else None


def _mean(tables: Tables, arm: ArmRow, key: str, run: Sequence[ArmRow]) -> float | None:
    """What the trials of an arm were given, over the pairs that are complete in every arm if there are any."""
    pairs = [{t.pair for t in other.complete if key in t.final} for other in run]
    common = set.intersection(*(own for own in pairs if own)) if any(pairs) else set()
    found = [t.final[key] for t in arm.complete if key in t.final and (not common or t.pair in common)]
    return math.fsum(found) / len(found) if found else None


def _unequal(given: dict[str, dict[str, float | None]]) -> Iterator[str]:
    """Arms that were given more than the least, in words."""
    for key, own in given.items():
        known = {name: value for name, value in own.items() if value is not None}
        least = min(known.values(), default=0.0)
        more: dict[float, list[str]] = {}
        for name, value in known.items():
            if value > least * (1 + 1e-9):
                more.setdefault(value, []).append(name)
        for value, names in more.items():
            times = f", {value / least:.2f} times as many" if least else ""
            much = f"{metrics.with_unit(key, value)} against {metrics.with_unit(key, least)}{times}"
            yield f"{words.listed(names)} got more {metrics.inside(key)} than the least: {much}."


def _failed(tables: Tables) -> Iterator[str]:
    for arm in tables.arms:
        if arm.failed and arm.runs_as is None:
            seeds = words.listed([_pair(tables, t.pair) for t in arm.failed])
            why = dict.fromkeys(t.row["reason"] or "its value is not finite" for t in arm.failed)
            some = f"{len(arm.failed)} of {words.count(len(arm.trials), 'trial')} failed ({seeds})"
            yield (
                f"{arms.name_with_twins(arm, tables.arms)}: {some}: {words.listed(list(why))}. "
                "Its pairs count as lost in every effect that needs this arm."
            )


def _pair(tables: Tables, pair: tuple[int, int]) -> str:
    draws = tables.study.get("draws")
    return f"seed {pair[0]}" + (f", draw {pair[1]}" if isinstance(draws, int) and draws > 1 else "")


def _twins(tables: Tables) -> Iterator[str]:
    for arm in tables.arms:
        if arm.runs_as is not None:
            yield f"{arm.name} is {arm.runs_as}: the same method, run once."


def _reused(tables: Tables) -> Iterator[str]:
    found = [trial for trial in tables.all if trial.reused]
    if found:
        origins = words.listed([f"trial {t.number} ({t.arm}, {_pair(tables, t.pair)}) from {t.reused}" for t in found])
        yield f"{words.count(len(found), 'trial')} of earlier studies stand for trials of this one: {origins}."


def design(tables: Tables) -> Section:
    """The design in words, and what its intervals do not cover."""
    lines = tables.ablation.get("design")
    written = "\n".join(map(str, lines)) if isinstance(lines, list) else ""
    matrix = [Listing(written)] if written else []
    warnings = [Text(text, "warning") for text in caveats(tables)]
    return Section("design", "The design", "The design", [*matrix, *warnings])
