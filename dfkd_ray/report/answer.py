"""The top of the page: the answer in one sentence, the big numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dfkd_ray import metrics
from dfkd_ray.report import confirmed, fronts, over_seeds, seed_by_seed
from dfkd_ray.report.blocks import Number, Numbers, Ruler, Tick
from dfkd_ray.report.notes import fused
from dfkd_ray.report.settings import is_number
from dfkd_ray.report.trial import Goal, TrialRow
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words

_MOST = 6  # settings that the sentence names


@dataclass(frozen=True)
class Scores:
    """A trial at its last epoch and at the one where the study's first objective was best; None: not recorded."""

    trial: TrialRow
    tables: Tables

    @property
    def last_epoch(self) -> int | None:
        known = self.tables.curve(self.tables.objective.metric).get(self.trial.number, {})
        return self.trial.row["epochs"] or max(known, default=None)

    @property
    def best_epoch(self) -> int | None:
        found: int | None = self.trial.row["best_epoch"]
        return found

    def at(self, metric: str, epoch: int | None) -> float | None:
        """A metric after an epoch, or a cost."""
        if metric in metrics.COSTS:
            cost: float | None = self.trial.row[metric]
            return cost
        return self.tables.curve(metric).at(self.trial.number, epoch)

    def compared_at(self, objective: Goal) -> int | None:
        """The epoch that the search went by; None for a cost."""
        if objective.metric in metrics.COSTS:
            return None
        return self.best_epoch if objective.at == "best" else self.last_epoch


def chosen_by(tables: Tables) -> str:
    """The first objective in the middle of a sentence."""
    return metrics.inside(tables.objective.metric)


def sentence(tables: Tables) -> str:
    """The answer, as plain text."""
    best = tables.best
    if best is not None and tables.confirmed.get("complete"):
        return f"Trial {best.number} has {_settings(best, tables) or 'the settings below'}{against(tables)}."
    budget, several = part(tables.study, "budget").get("trials"), len(tables.front) > 1 < len(tables.objectives)
    planned = int(budget) if is_number(budget) else 0
    running = tables.note.get("finished") is False and planned > len(tables.searched)
    what = "The front" if several else "Best"
    head = (
        f"{what} so far, after {len(tables.searched)} of {seed_by_seed.noun(tables, planned)}"
        if running
        else f"{what} of {seed_by_seed.noun(tables, len(tables.searched))}"
    )
    if several:
        return f"{fronts.sentence(tables, head)}{against(tables)}."
    if best is None:
        return nothing(tables)
    chosen = _settings(best, tables)
    settings = f" with {chosen}" if chosen else ""
    tested = best.final.get(tables.quality.test_last)
    at = "at its last epoch" if len(best.runs) < 2 else "on average at the last epochs"
    test = "" if tested is None else f"; test {metrics.with_unit(tables.quality.test_last, tested)} {at}"
    return f"{head}: {_reached(best, tables)}{settings}{test}{against(tables)}."


def _settings(best: TrialRow, tables: Tables) -> str:
    """What was searched as this trial has it; empty where that is too much for a sentence."""
    chosen = [f"{p.label} {words.setting(best.changes[p.path])}" for p in tables.parameters if p.path in best.changes]
    return words.listed([words.shorten(c) for c in chosen]) if len(chosen) <= _MOST else ""


def _reached(best: TrialRow, tables: Tables) -> str:
    """What the search went by, and validation accuracy beside it."""
    scores = Scores(best, tables)
    if len(best.runs) > 1:
        return f"{fronts.reached(tables, best)}{over_seeds.evidence(best)}"
    told = [(o, value, scores.compared_at(o)) for o, value in zip(tables.objectives, best.values)]
    found = [f"{metrics.inside(o.metric)} {metrics.with_unit(o.metric, value)}{_at(epoch)}" for o, value, epoch in told]
    known = tables.quality.val in [o.metric for o in tables.objectives]
    validation = scores.at(tables.quality.val, told[0][2])
    if not known and validation is not None:
        found.append(f"{metrics.inside(tables.quality.val)} {metrics.with_unit(tables.quality.val, validation)} there")
    return ", ".join(found)


def nothing(tables: Tables) -> str:
    """Why no trial is best."""
    if not tables.all:
        return "No trial has ended yet, so there is no answer."
    if tables.complete and not tables.points:
        outside = any(trial.outside for trial in tables.complete)
        known = {"degenerate": bool(tables.degenerate), "outside of the constraints": outside}
        why = " or ".join(what for what, there in known.items() if there)
        return f"No trial has won: {words.count(len(tables.complete), 'complete trial')}, and each is {why}."
    if tables.points:
        return f"No trial is taken: none on the front is {fronts.taken(tables)}."
    states = Counter(t.state or "unknown" for t in tables.all)
    counts = words.listed([f"{n} {words.state(state)}" for state, n in sorted(states.items())])
    what = "setting has every seed" if tables.seeds else "trial has completed with a finite value of the objective"
    return f"No {what}, so there is no answer ({counts})."


def _at(epoch: int | None) -> str:
    return "" if epoch is None else f" at epoch {epoch}"


def against(tables: Tables) -> str:
    """Chance and the teacher, as far as they are known, in brackets."""
    known = [("chance", chance(tables)), ("teacher", teacher(tables))]
    said = [f"{name} {words.percent(value)}" for name, value in known if value is not None]
    return f" ({', '.join(said)})" if said else ""


def chance(tables: Tables) -> float | None:
    value = part(tables.note, "task").get("chance")
    return float(value) if is_number(value) else None


def teacher(tables: Tables) -> float | None:
    """The teacher's accuracy on the test split."""
    value = part(part(tables.note, "task"), "teacher").get("test_accuracy")
    return float(value) if is_number(value) else None


def states(tables: Tables) -> str:
    """How many trials ended how."""
    counts = Counter(t.state or "unknown" for t in tables.all)
    order = ("complete", "pruned", "failed", "running")
    return ", ".join(f"{counts[s]} {words.state(s)}" for s in [*order, *sorted(set(counts) - set(order))] if counts[s])


def numbers(tables: Tables) -> Numbers:
    """The big numbers."""
    best, shown = tables.best, confirmed.numbers(tables.confirmed, tables.quality)
    if len(tables.objectives) > 1 and tables.front:
        shown.append(fronts.number(tables))
    if best is not None and not tables.confirmed.get("complete"):
        goal, scores = tables.objective, Scores(best, tables)
        epoch = scores.compared_at(goal)
        when = f"trial {best.number}" if epoch is None else f"trial {best.number}, epoch {epoch}"
        if best.errors and best.errors[0] is not None:
            error = metrics.changed(goal.metric, best.errors[0], signed=False)
            when = f"trial {best.number}, mean of {len(best.runs)} seeds, standard error {error}"
        shown.append(Number(metrics.with_unit(goal.metric, best.value), metrics.label(goal.metric), when))
        if (tested := best.final.get(tables.quality.test_last)) is not None:
            said = metrics.with_unit(tables.quality.test_last, tested)
            what = f"last epoch, mean of {len(best.runs)} seeds" if len(best.runs) > 1 else "last epoch"
            shown.append(Number(said, f"Test {tables.quality.said}", f"trial {best.number}, {what}"))
    shown += [trials(tables), work(tables)]
    return Numbers(shown, first=best is not None)


def trials(tables: Tables) -> Number:
    return Number(str(len(tables.all)), "Trials" if len(tables.all) != 1 else "Trial", states(tables))


def work(tables: Tables) -> Number:
    seconds = [t.row["seconds"] for t in tables.all if t.row["seconds"] is not None]
    many = fused(tables.note)
    whose = "summed over all trials" + (f", up to {many} in a process" if many > 1 else "")
    return Number(words.duration(sum(seconds)) if seconds else words.DASH, "Work", whose)


def ruler(tables: Tables) -> Ruler | None:
    """Where the student stands between chance and its teacher, on a line from 0 to 100 %."""
    trial = tables.shown
    tested = trial.final.get(tables.quality.test_last) if trial is not None else None
    if tested is None or not 0 <= tested <= 1:
        return None
    low = chance(tables) or 0.0
    others = {"chance": chance(tables), "teacher": teacher(tables)}
    places = [_place("student", tested, above=True)]
    places += [_place(name, value) for name, value in others.items() if value is not None and 0 <= value <= 1]
    label = f"Test {tables.quality.said} on a line from 0 to 100 per cent"
    return Ruler(label, (min(low, tested), max(low, tested)), places)


def _place(name: str, value: float, above: bool = False) -> Tick:
    return Tick(f"{name} {words.percent(value)}", value, above)
