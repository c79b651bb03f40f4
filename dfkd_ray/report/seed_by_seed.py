"""What the page says of a sweep with several seeds: which each setting has, and those of the best one by one."""

from __future__ import annotations

from collections import Counter
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.report.blocks import Block, Cell, Inline, Strong, Table, Text
from dfkd_ray.report.over_seeds import value
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

LISTED = 20  # seeds that a table has


def noun(tables: Tables, count: int) -> str:
    """`12 trials`, or where each has several seeds `12 settings`."""
    return words.count(count, "setting" if tables.seeds else "trial")


def told(tables: Tables) -> str:
    """Which seeds each setting has, and what a race has spared; empty of a sweep with one seed."""
    if not tables.seeds:
        return ""
    listed = words.some([str(seed) for seed in tables.seeds], LISTED)
    risk = tables.study.get("racing") or {}
    raced = f", raced at a risk of {risk['risk']:g}" if isinstance(risk, dict) and risk.get("risk") else ""
    most = len(tables.searched) * len(tables.seeds)
    run = sum(len(setting.runs) for setting in tables.searched)
    whole = Counter(len(setting.runs) for setting in tables.searched)[len(tables.seeds)]
    return (
        f"{listed} of each setting{raced}: {words.count(run, 'trial')} of at most {words.number(most)}, "
        f"{words.count(whole, 'setting')} with every seed"
    )


def blocks(tables: Tables, best: TrialRow) -> list[Block]:
    """The seeds of a setting, one by one; nothing of a sweep with one seed."""
    if len(best.runs) < 2:
        return []
    own = [trial for trial in tables.all if trial.number in best.runs]
    goals, tested = [objective.metric for objective in tables.objectives], tables.quality.test_last
    head: list[Inline] = ["Seed", "Trial", *(metrics.label(goal) for goal in goals), f"Test {tables.quality.said}"]
    rows: list[list[Inline | Cell]] = [
        [str(t.pair[0]), str(t.number), *map(_number, goals, t.values), _number(tested, t.final.get(tested))]
        for t in own[:LISTED]
    ]
    means = [Cell(value(best, goal, i), number=True) for i, goal in enumerate(goals)]
    rows.append([Strong("Mean"), "± standard error", *means, _number(tested, best.final.get(tested))])
    note = f"All settings have the same seeds. Curves and images on this page are those of seed {best.pair[0]}."
    return [Table(head, rows, f"The seeds of the setting of trial {best.number}"), Text(note, "note")]


def _number(metric: str, found: Any) -> Cell:
    return Cell(metrics.with_unit(metric, found), number=True)
