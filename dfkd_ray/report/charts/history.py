"""Optimisation history: what each trial reached, and the best so far."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report.chart import (
    BEST,
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
)
from dfkd_ray.report.view import Tables

ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the objective in words
        ("metric", pa.string()),
        ("trial", pa.int32()),
        ("role", pa.string()),
        ("value", pa.float64()),
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
        rows = []
        for index, objective in enumerate(tables.objectives):
            best: float | None = None
            for trial in tables.all:
                reached = trial.values[index]
                if reached is None:
                    continue
                if trial.complete and (best is None or objective.better(reached, best)):
                    best = reached
                said = metrics.labelled(objective.metric, reached)
                rows.append(
                    {
                        "panel": metrics.label(objective.metric),
                        "metric": objective.metric,
                        "trial": trial.number,
                        "role": role(tables, trial.number, trial.state),
                        "value": reached,
                        "best_so_far": best,
                        "about": tables.about(trial, said),
                    }
                )
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        trials, so_far = rows["trial"].to_pylist(), rows["best_so_far"].to_pylist()
        line = go.Scatter(
            x=trials,
            y=so_far,
            mode="lines",
            line={"shape": "hv", "color": BEST, "width": 1.5},
            name="best so far",
            hoverinfo="skip",
        )
        marks = [points(name, own["trial"], own["value"], own["about"]) for name, own in by_role(rows)]
        return figure(
            [line, *marks],
            xaxis=integer_axis("Trial", trials),
            yaxis=axis(constant(rows, "panel"), constant(rows, "metric")),
        )
