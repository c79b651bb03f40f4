"""What is said of a study: one line where it begins, its answer where it ends."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfkd_ray import metrics
from dfkd_ray.runs.winning import better_before, chance, winners
from dfkd_ray.util import store, words
from dfkd_ray.util.words import for_terminal

if TYPE_CHECKING:
    from dfkd_ray.methods.method import Schedule
    from dfkd_ray.runs.distillation import Distillation
    from dfkd_ray.study import Study
    from dfkd_ray.tune import Summary
    from dfkd_ray.tune.duplicates import Duplicates


_NAMED = 6  # degenerate trials of one reason


def announcement(
    study: Study, folder: Path, duplicates: Duplicates | None = None, schedule: Schedule | None = None
) -> str:
    """The question, what it will cost, and who proposes and stops. `duplicates`: arms that are not run by themselves;
    `schedule`: of a trial."""
    from dfkd_ray.study import starting, startup, stopping

    trials = words.counted(study.trials or 0, "trial")
    budget = trials if study.trials else f"{study.budget.hours or math.inf:g} h"
    if study.ablation is not None:
        count = len(study.ablation.arms)
        run = count - (0 if duplicates is None else len(duplicates.alike) + len(duplicates.refused))
        arms = words.counted(count, "arm") + ("" if run == count else f" ({run} run)")
        budget = f"{arms} x {words.counted(study.ablation.pairs, 'pair')}" if study.trials else f"a path from {arms}"
    if study.seeds:
        seeds, most = words.counted(len(study.seeds), "seed"), (study.trials or 0) * len(study.seeds)
        settings = f"{words.counted(study.trials or 0, 'setting')} x {seeds} (at most {words.counted(most, 'trial')})"
        budget = settings if study.trials else f"{budget}, {seeds} each"
    if study.confirm is not None:
        budget += f" and at most {words.counted(study.confirming, 'trial')} that confirm the winner"
    first = f"{study.question or study.study}\n{study.method_name} on {study.task_name}, {budget}, into {folder}"
    stops = None if schedule is None else stopping.describe(study.stopper, schedule.epochs, schedule.warmup)
    lines = [first, startup.describe(study), stops, *starting.describe(study.start, study.search)]
    return "\n".join(filter(None, lines))


def closing(summary: Summary, work: Distillation) -> Iterator[str]:
    """The answer in a few lines, and the page, which is made."""
    from dfkd_ray import report as pages
    from dfkd_ray.tune.copies import publish
    from dfkd_ray.util import tables

    counts = f"{summary.complete} complete, {summary.pruned} stopped, {summary.failed} failed"
    yield f"{counts}, {summary.seconds:.0f} s"
    if summary.ablation:
        table = tables.read(summary.folder / "effects.arrow")
        note = tables.metadata(table)
        looks = len(note["ablation"]["looks"])
        yield from effects(table.to_pylist(), looks)
        yield from published_lines(note.get("published"))
    else:
        yield from proposed(summary)
        yield from settled(summary.settings, summary.spared)
        yield from winners(summary, chance(work.task))
        yield from better_before(summary, tables.metadata(tables.read(summary.folder / "trials.arrow")))
    yield from degenerate_lines(summary)
    yield f"page: {pages.build(summary.folder)}"
    publish(summary.folder)


def lacking(summary: Summary) -> str | None:
    """That trials failed, or none is complete, or none has won; None of a study that came to what it was to."""
    if not summary.failed and summary.complete and (summary.best is not None or summary.ablation):
        return None
    place = words.typed(store.place_of(summary.folder))
    again = f"; once that is mended: dfkd-ray resume {place} --failed" if summary.failed else ""
    failed = words.counted(summary.failed, "trial")
    return f"{failed} failed, {summary.complete} {'is' if summary.complete == 1 else 'are'} complete{again}"


def proposed(summary: Summary) -> Iterator[str]:
    """How much of a sweep its model has proposed, what was not run again, and whether there is nothing else to run."""
    if summary.proposed_by:
        yield f"proposed: {for_terminal(words.by_model(summary.proposed_by))}"
    if summary.outside:
        broken = words.listed(sorted({each for why in summary.outside.values() for each in why}))
        complete = words.counted(summary.complete, "complete trial")
        yield f"{len(summary.outside)} of {complete} kept from winning by the constraints: {broken}"
    if summary.repeats:
        again = words.counted(summary.repeats, "proposal")
        yield f"{again} repeated a setting with its seed, so the same bits: known, and another was asked for"
    if summary.exhausted and summary.best is not None and len(summary.best.changes):
        yield f"the space is exhausted: it has {words.counted(summary.searched, 'setting')}, and all were run"


def settled(settings: Mapping[str, int], spared: int) -> Iterator[str]:
    """How many settings of a sweep with several seeds stand how, and how many trials were left out; nothing where each
    has one seed."""
    said = {"complete": "with every seed", "left": "left before", "pruned": "stopped", "failed": "failed"}
    said |= {"running": "still to come to their end"}
    if told := ", ".join(f"{settings[state]} {how}" for state, how in said.items() if settings.get(state)):
        more = f": {words.counted(spared, 'trial')} spared" if spared else ""
        yield f"{words.counted(sum(settings.values()), 'setting')}, {told}{more}"


def degenerate_lines(summary: Summary) -> Iterator[str]:
    """The complete trials whose images are no ground to compare them on, by reason, and what became of them."""
    found = summary.degenerate
    if not found:
        return
    won = summary.best is not None or summary.ablation
    outcome = "kept from winning" if summary.guarded else "compared on real images all the same"
    yield f"degenerate, {outcome}:{'' if won else ' no trial has won'}"
    for why in dict.fromkeys(map(tuple, found.values())):
        numbers = [str(number) for number, own in found.items() if tuple(own) == why]
        more = f" and {len(numbers) - _NAMED} more" if len(numbers) > _NAMED else ""
        yield f"  trial {', '.join(numbers[:_NAMED])}{more}: {', '.join(why)}"


def effects(rows: Sequence[Mapping[str, Any]], looks: int = 1) -> Iterator[str]:
    """Of the rows of effects.arrow, those on the first objective, a line each; looks: how often they were looked at."""
    if not rows:
        yield "no effects yet"
        return
    metric = rows[0]["metric"]
    over = f" and {looks} looks" if looks > 1 else ""
    yield f"effects on {metric}, 95 % intervals and p, each over all effects of its kind{over}:"
    for row in rows:
        if row["metric"] != metric:
            continue
        if row["difference"] is None:
            yield f"  {row['contrast']}: {row['verdict']} ({words.counted(row['lost'], 'pair')} lost)"
            continue
        p = "" if row["p_holm"] is None else f", p {row['p_holm']:.3g}"
        lost = f", {row['lost']} lost" if row["lost"] else ""
        said = (metrics.difference(metric, row[key]) for key in ("difference", "low", "high"))
        difference, low, high = map(for_terminal, said)
        interval = "" if row["low"] is None else f" [{low}, {high}]"
        value = f"{difference}{interval} {metrics.points(metric)}".rstrip()
        yield f"  {row['contrast']}: {value}{p}, {words.counted(row['pairs'], 'pair')}{lost}: {row['verdict']}"


def published_lines(note: Mapping[str, Any] | None) -> Iterator[str]:
    """Published and measured side by side, and what became of each claim; nothing without a published table."""
    if note is None:
        return
    column = note["column"] or "mean of the columns that can be run again"
    yield f"{note['source']}, {column}, beside {note['metric']} here, in points:"
    if note["scale"] != "paper":
        yield f"  (on {note['scale']}, a task of another scale: compare the claims, not the numbers)"
    best = bool(note.get("best_on_test"))
    head = (
        ("last epoch here", "n", "difference", "best here", "difference")
        if best
        else ("measured here", "n", "difference")
    )
    table = [("", "published", *head), *(_row(cell, best) for cell in note["cells"])]
    widths = [max(map(len, column)) for column in zip(*table)]
    for name, *numbers in table:
        cells = [name.ljust(widths[0]), *(text.rjust(width) for text, width in zip(numbers, widths[1:]))]
        yield f"  {'  '.join(cells)}".rstrip()
    if best:
        yield f"  (published is the best epoch on the split it reports, {note['best_on_test']};"
        yield "  here it is the best by the study's objective: the best on test is not below either, and is not known)"
    if said := metrics.cut(note["metric"], note.get("cut", ())):
        yield f"  ({for_terminal(said)})"
    if note["claims"]:
        yield "what the table claims, with 95 % intervals over all claims:"
    for claim in note["claims"]:
        here = "nothing measured" if claim["difference"] is None else f"{claim['difference']:+.1f}"
        here += f"{_interval(claim, '+.1f', 'low', 'high')}, {words.counted(claim['pairs'], 'pair')}"
        yield f"  {claim['verdict']}: {claim['text']} (published {claim['published']:+.2f}, here {here})"


def _row(cell: Mapping[str, Any], best: bool) -> tuple[str, ...]:
    secondary = " (secondary)" if cell["mark"] == "secondary" else ""
    published = "-" if cell["published"] is None else f"{cell['published']:.2f}{secondary}"
    measured = "-" if cell["measured"] is None else f"{cell['measured']:.1f}{_interval(cell, '.1f', 't_low', 't_high')}"
    difference = _known(cell["difference"], "+.1f")
    at_best = [_known(cell["best"], ".1f"), _known(cell["best_difference"], "+.1f")] if best else []
    return cell["row"], published, measured, str(cell["n"]), difference, *at_best


def _known(value: float | None, form: str) -> str:
    return "-" if value is None else f"{value:{form}}"


def _interval(row: Mapping[str, Any], form: str, low: str, high: str) -> str:
    return "" if row[low] is None else f" [{row[low]:{form}}, {row[high]:{form}}]"
