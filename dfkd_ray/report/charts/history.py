"""Optimisation history: what each trial reached, and the best so far."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import over_seeds, thinning
from dfkd_ray.report.chart import (
    SEARCH,
    Chart,
    axis,
    by_role,
    charts,
    constant,
    figure,
    integer_axis,
    points,
    role,
    staircase,
)
from dfkd_ray.report.trial import Goal, TrialRow
from dfkd_ray.report.view import Tables

ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the objective in words
        ("metric", pa.string()),
        ("trial", pa.int32()),
        ("role", pa.string()),
        ("value", pa.float64()),
        ("error", pa.float64()),  # standard error of a value that is a mean over seeds, else null
        ("best_so_far", pa.float64()),  # among complete trials up to this one; null before the first
        ("about", pa.string()),
    ]
)


@charts.register("history")
class History(Chart):
    section, rank = SEARCH, 10
    title = "Optimisation history"
    reading = "Each mark is a trial in the order in which it was proposed; the line is the best complete trial so far."
    empty = "No trial has a value of the objective yet."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        found = [trial for trial in tables.searched if any(value is not None for value in trial.values)]
        so_far = [_best_so_far(found, index, objective) for index, objective in enumerate(tables.objectives)]
        steps = {number for best in so_far for number in _steps(best)}
        drawn = thinning.drawn(found, tables, thinning.MARKS, steps)
        rows = []
        for index, objective in enumerate(tables.objectives):
            for trial in drawn:
                reached = trial.values[index]
                if reached is None:
                    continue
                said = f"{metrics.label(objective.metric)}: {over_seeds.value(trial, objective.metric, index)}"
                rows.append(
                    {
                        "panel": metrics.label(objective.metric),
                        "metric": objective.metric,
                        "trial": trial.number,
                        "role": role(tables, trial.number, trial.state),
                        "value": reached,
                        "error": trial.errors[index] if trial.errors else None,
                        "best_so_far": so_far[index][trial.number],
                        "about": tables.about(trial, said),
                    }
                )
        return thinning.part_of(pa.Table.from_pylist(rows, ROWS), len(drawn), len(found))

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        told = (
            "Each mark is a setting: the mean over its seeds, and bars of one standard error on either side. An open "
            "circle was stopped, or left before it had every seed; the line is of those that have all."
        )
        return [told] if any(rows["error"].to_pylist()) else []

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        trials, so_far = rows["trial"].to_pylist(), rows["best_so_far"].to_pylist()
        line = staircase(trials, so_far, "best so far")
        marks = [points(name, own["trial"], own["value"], own, **_bars(own["error"])) for name, own in by_role(rows)]
        return figure(
            [line, *marks],
            xaxis=integer_axis("Trial", trials),
            yaxis=axis(constant(rows, "panel"), constant(rows, "metric")),
        )


def _bars(errors: Sequence[float | None]) -> dict[str, Any]:
    """Bars of one standard error on either side, where values are means."""
    if all(error is None for error in errors):
        return {}
    return {"error_y": {"type": "data", "array": [error or 0.0 for error in errors], "width": 0, "thickness": 1}}


def _best_so_far(trials: Sequence[TrialRow], index: int, objective: Goal) -> dict[int, float | None]:
    """After each trial the best value of this objective among the complete ones until then."""
    best: float | None = None
    found: dict[int, float | None] = {}
    for trial in trials:
        reached = trial.values[index]
        if reached is not None and trial.complete and (best is None or objective.better(reached, best)):
            best = reached
        found[trial.number] = best
    return found


def _steps(best: Mapping[int, float | None]) -> list[int]:
    """The trials that were better than all before, of a long staircase an even part; and the last, where it ends."""
    found = [number for (number, now), before in zip(best.items(), [None, *best.values()]) if now != before]
    return [*found[:: math.ceil(len(found) / (thinning.MARKS // 2)) or 1], *list(best)[-1:]]
