"""Learning curves by arm: the mean over its trials, in a band from the lowest to the highest.

Where an epoch is not the same number of the student's steps in every arm, curves go along those steps.
"""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import arms, standings
from dfkd_ray.report.arms import ArmRow
from dfkd_ray.report.chart import ARMS, Chart, arm_style, axis, charts, constant, escaped, figure, hover, integer_axis
from dfkd_ray.report.view import Tables, mapping, part
from dfkd_ray.util import words

FEW = 4  # arms up to which every band is drawn at once
ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the metric in words
        ("metric", pa.string()),
        ("arm", pa.string()),  # with its twins
        ("place", pa.int32()),  # of its colour and dash; null: one of many without
        ("epoch", pa.int32()),
        ("steps", pa.float64()),  # of the student until then; null where an epoch has as many in every arm
        ("mean", pa.float64()),
        ("low", pa.float64()),  # the lowest and the highest trial
        ("high", pa.float64()),
        ("trials", pa.int32()),
    ]
)


@charts.register("arm_curves")
class ArmCurves(Chart):
    section, rank = ARMS, 20
    title = "Learning curves by arm"
    reading = (
        "Lines are means over the complete trials of an arm, bands reach from the lowest to the highest. "
        "A click on a name hides an arm, a double click shows it alone; of many arms those further down are grey."
    )
    empty = "No trial is complete yet."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        wanted = dict.fromkeys([*(o.metric for o in tables.objectives), tables.quality.val])
        run = standings.styled(tables)
        paces = {arm.name: _pace(arm) for arm, _ in run if arm.complete}
        told = len(set(paces.values())) > 1 and None not in paces.values()
        rows = [
            {**row, "steps": _steps(paces[arm.name], row["epoch"]) if told else None}
            for metric in wanted
            for arm, place in run
            for row in _rows(tables, metric, arm, {"arm": arms.name_with_twins(arm, tables.arms), "place": place})
        ]
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        data = rows.to_pylist()
        own = [[row for row in data if row["arm"] == name] for name in dict.fromkeys(row["arm"] for row in data)]
        coloured = [each for each in own if each[0]["place"] is not None]
        grey = [each for each in own if each[0]["place"] is None]
        bands = [_band(each, len(own)) for each in coloured]
        by_steps = constant(rows, "steps") is not None
        return figure(
            [*map(_line, grey), *bands, *map(_line, coloured[::-1])],
            height=432 + 12 * len(coloured),
            xaxis=axis("Steps of the student") if by_steps else integer_axis("Epoch", rows["epoch"].to_pylist()),
            legend={"traceorder": "reversed"},
            yaxis=axis(constant(rows, "panel"), constant(rows, "metric")),
        )


def _pace(arm: ArmRow) -> tuple[float, int] | None:
    """Steps of the student in an epoch, and epochs before its first one; None where the tables do not tell."""
    trial = arm.complete[0]
    updates, epochs = trial.final.get(metrics.STUDENT_UPDATES), trial.row["epochs"]
    warmup = part(mapping(trial.row["method"]), "schedule").get("warmup")
    before = warmup if isinstance(warmup, int) else 0
    return (updates / (epochs - before), before) if updates and epochs and 0 <= before < epochs else None


def _steps(pace: tuple[float, int] | None, epoch: int) -> float | None:
    return None if pace is None else pace[0] * max(0, epoch - pace[1])


def _along(own: list[dict[str, Any]]) -> list[float]:
    """Where the rows of an arm stand on the x axis."""
    return [row["epoch"] if row["steps"] is None else row["steps"] for row in own]


def _rows(tables: Tables, metric: str, arm: ArmRow, common: dict[str, Any]) -> list[dict[str, Any]]:
    curves = [tables.curve(metric).get(trial.number, {}) for trial in arm.complete]
    rows = []
    for epoch in sorted({epoch for curve in curves for epoch in curve}):
        found = [curve[epoch] for curve in curves if epoch in curve]
        rows.append(
            {
                "panel": metrics.label(metric),
                "metric": metric,
                **common,
                "epoch": epoch,
                "mean": math.fsum(found) / len(found),
                "low": min(found),
                "high": max(found),
                "trials": len(found),
            }
        )
    return rows


def _band(own: list[dict[str, Any]], count: int) -> go.Scatter:
    """From the lowest trial forth to the highest back; fainter where there are many."""
    back = own[::-1]
    return go.Scatter(
        x=_along(own) + _along(back),
        y=[row["low"] for row in own] + [row["high"] for row in back],
        mode="lines",
        line={"width": 0},
        fill="toself",
        fillcolor=arm_style(own[0]["place"])["color"],
        opacity=0.16 if count <= FEW else 0.08,
        legendgroup=str(own[0]["place"]),
        showlegend=False,
        hoverinfo="skip",
    )


def _line(own: list[dict[str, Any]]) -> go.Scatter:
    metric = own[0]["metric"]
    style = arm_style(own[0]["place"])
    said = [
        f"{row['arm']}\nepoch {row['epoch']}: {metrics.with_unit(metric, row['mean'])}\n"
        f"{metrics.with_unit(metric, row['low'])} to {metrics.with_unit(metric, row['high'])}, "
        f"{words.count(row['trials'], 'trial')}"
        for row in own
    ]
    return go.Scatter(
        x=_along(own),
        y=[row["mean"] for row in own],
        mode="lines+markers" if len(own) < 3 else "lines",
        line={"color": style["color"], "dash": style["dash"], "width": 1 if own[0]["place"] is None else 2},
        name=escaped(own[0]["arm"], 30),
        showlegend=own[0]["place"] is not None,
        legendgroup=str(own[0]["place"]),
        hoverinfo="text",
        hovertext=[hover(text) for text in said],
    )
