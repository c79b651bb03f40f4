"""The front of several objectives in words and as a table: the answer of such a study."""

from __future__ import annotations

from collections.abc import Sequence

from dfkd_ray import metrics
from dfkd_ray.report import over_seeds, picking, seed_by_seed
from dfkd_ray.report.blocks import Block, Cell, Inline, Number, Table, Text
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.stats import hypervolume
from dfkd_ray.stats.front import knee
from dfkd_ray.util import words

NAMED, LISTED = 4, 50  # trials that the sentence names, and that the table has
KNEE = (
    "The knee is the trial that lies furthest beyond the line through the ends of the front, with each objective "
    "brought to 0 at its worst and 1 at its best on the front (Das, 1999; of more than two objectives the plane)."
)


def knee_of(tables: Tables) -> int | None:
    return knee(tables.front_points)


def sentence(tables: Tables, head: str) -> str:
    """The answer as plain text, without its full stop."""
    trials, found = tables.front, knee_of(tables)
    said = [f"trial {t.number}{' (the knee)' if t.number == found else ''}: {reached(tables, t)}" for t in trials]
    shown = said if len(said) <= NAMED else said[:NAMED]
    rest = f"; and {len(said) - NAMED} more" if len(said) > NAMED else ""
    count = seed_by_seed.noun(tables, len(trials))
    return f"{head}: {count} that no other dominates, {'; '.join(shown)}{rest}"


def reached(tables: Tables, trial: TrialRow) -> str:
    """The objectives of a trial."""
    goals = [objective.metric for objective in tables.objectives]
    return ", ".join(f"{metrics.inside(m)} {over_seeds.value(trial, m, i)}" for i, m in enumerate(goals))


def number(tables: Tables) -> Number:
    """How many are on the front, among the big numbers."""
    count = len(tables.front)
    said = ", ".join(str(t.number) for t in tables.front[:NAMED]) + (", …" if count > NAMED else "")
    return Number(str(count), "On the front", f"trial{'s' if count > 1 else ''} {said}")


def taken(tables: Tables) -> str:
    """Why the trial that the page looks into is that one."""
    told, found = tables.study.get("best"), knee_of(tables)
    rule, first = picking.rule(told), metrics.inside(tables.objective.metric)
    if rule == "constraint":
        bounds = " and ".join(f"{metrics.inside(name)} {bound}" for name, bound in picking.bounds(told).items())
        return f"the best by {first} with {bounds}"
    if rule == "knee":
        return "the knee" if found is not None else f"the best by {first}, since the front has no knee"
    return f"the best by {first}"


def blocks(tables: Tables) -> list[Block]:
    """The front as a table, by the first objective, with what marks one of its trials; nothing of one objective."""
    if len(tables.objectives) < 2 or not tables.front:
        return []
    count = words.count(len(tables.front), "trial")
    why = f"{count} on the Pareto front. Where one is asked for, by this page or by a command, it is {taken(tables)}."
    sign = tables.objective.sign
    listed = sorted(tables.front, key=lambda t: -sign * (t.value or 0.0))
    rows = [_row(tables, trial) for trial in listed[:LISTED]]
    head = [
        "Trial",
        *(metrics.label(o.metric) for o in tables.objectives),
        *(p.label for p in tables.parameters),
        "Which",
    ]
    more = f" The table has the first {LISTED} of them." if len(listed) > LISTED else ""
    return [Text(f"{why}{more}", "note"), Table(head, rows, "The front")]


def _row(tables: Tables, trial: TrialRow) -> list[Inline | Cell]:
    told: list[Inline | Cell] = [
        Cell(over_seeds.value(trial, o.metric, i), trial.values[i], number=True)
        for i, o in enumerate(tables.objectives)
    ]
    settings: list[Inline | Cell] = [
        words.setting(trial.changes[p.path]) if p.path in trial.changes else words.DASH for p in tables.parameters
    ]
    best = tables.best
    marks = ["the knee"] if trial.number == knee_of(tables) else []
    marks += ["taken"] if best is not None and trial.number == best.number else []
    return [str(trial.number), *told, *settings, ", ".join(marks)]


def reference(tables: Tables) -> str:
    """Where the box of the hypervolume begins and ends, in the units of the metrics."""
    if not tables.points:
        return ""
    corners = [_corner(tables, point) for point in hypervolume.box(tables.points)]
    return (
        f"The box goes from the reference point ({corners[0]}) to the ideal point ({corners[1]}): the best values of "
        "all complete trials that may win, and a tenth of the way from the worst to the best behind the worst ones."
    )


def _corner(tables: Tables, point: Sequence[float]) -> str:
    told = zip(tables.objectives, point)
    return ", ".join(f"{metrics.inside(o.metric)} {metrics.with_unit(o.metric, o.sign * v)}" for o, v in told)
