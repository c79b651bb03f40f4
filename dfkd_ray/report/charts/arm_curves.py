"""Learning curves by arm: the mean over its trials, in a band from the lowest to the highest."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import arms
from dfkd_ray.report.arms import ArmRow
from dfkd_ray.report.chart import ARMS, Chart, arm_style, axis, charts, constant, escaped, figure, hover, integer_axis
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

FEW = 4  # arms up to which every band is drawn at once
ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the metric in words
        ("metric", pa.string()),
        ("arm", pa.string()),  # with its twins
        ("place", pa.int32()),  # among the arms: its colour and dash
        ("epoch", pa.int32()),
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
        "A click on a name hides an arm, a double click shows it alone."
    )
    empty = "No trial is complete yet."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        wanted = dict.fromkeys([*(o.metric for o in tables.objectives), metrics.VAL_ACCURACY])
        run = [arm for arm in tables.arms if arm.runs_as is None]
        rows = [
            row
            for metric in wanted
            for place, arm in enumerate(run)
            for row in _rows(tables, metric, arm, {"arm": arms.name_with_twins(arm, tables.arms), "place": place})
        ]
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        data = rows.to_pylist()
        places = list(dict.fromkeys(row["place"] for row in data))
        own = {place: [row for row in data if row["place"] == place] for place in places}
        bands = [_band(own[place], len(places)) for place in places]
        return figure(
            [*bands, *(_line(own[place]) for place in places)],
            height=420 + 12 * len(places),
            xaxis=integer_axis("Epoch", rows["epoch"].to_pylist()),
            yaxis=axis(constant(rows, "panel"), constant(rows, "metric")),
        )


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
        x=[row["epoch"] for row in own] + [row["epoch"] for row in back],
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
        x=[row["epoch"] for row in own],
        y=[row["mean"] for row in own],
        mode="lines+markers" if len(own) < 3 else "lines",
        line={"color": style["color"], "dash": style["dash"], "width": 2},
        name=escaped(own[0]["arm"], 30),
        legendgroup=str(own[0]["place"]),
        hoverinfo="text",
        hovertext=[hover(text) for text in said],
    )
