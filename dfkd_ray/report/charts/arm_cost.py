"""What each arm reaches for the seconds that it takes."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import arms, standings
from dfkd_ray.report.arms import ArmRow
from dfkd_ray.report.chart import ARMS, PAPER, Chart, arm_style, axis, charts, constant, escaped, figure, hover
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

ROWS = pa.schema(
    [
        ("metric", pa.string()),
        ("arm", pa.string()),  # with its twins
        ("place", pa.int32()),  # of its colour and symbol; null: one of many without
        ("seconds", pa.float64()),  # of a trial, mean over the complete ones
        ("fastest", pa.float64()),
        ("slowest", pa.float64()),
        ("value", pa.float64()),
        ("low", pa.float64()),  # Student's 95 % interval of the mean
        ("high", pa.float64()),
        ("cut", pa.bool_()),  # whether the interval ends where the metric's range does
        ("about", pa.string()),
        ("reused", pa.int32()),  # trials of earlier studies, with the seconds that they took there
    ]
)


@charts.register("arm_cost")
class ArmCost(Chart):
    section, rank = ARMS, 30
    title = "What each arm costs"
    reading = (
        "Marks are means over the trials of an arm; bars across are its fastest and slowest trial, bars upright the "
        "95 % t interval."
    )
    empty = "No complete trial has a time."

    @staticmethod
    def applies(tables: Tables) -> bool:
        return tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        rows = [row for arm, place in standings.styled(tables) if (row := _row(tables, arm, place)) is not None]
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        metric = constant(rows, "metric")
        return figure(
            [_mark(row) for row in rows.to_pylist()],
            height=400 + 12 * rows.num_rows,
            xaxis=axis("Seconds of a trial", rangemode="tozero"),
            yaxis=axis(metrics.label(metric), metric),
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        reused = sum(rows["reused"].to_pylist())
        earlier = f"The time of {words.count(reused, 'trial')} is that of an earlier study." if reused else ""
        cut = metrics.cut(constant(rows, "metric"), [row["arm"] for row in rows.to_pylist() if row["cut"]])
        return [said for said in (earlier, cut) if said]


def _row(tables: Tables, arm: ArmRow, place: int | None) -> dict[str, Any] | None:
    metric = tables.objective.metric
    timed = [t for t in arm.complete if t.row["seconds"] is not None and math.isfinite(t.row["seconds"])]
    if not timed:
        return None
    seconds = [t.row["seconds"] for t in timed]
    spread = tables.spread(timed, metric)
    mean = math.fsum(seconds) / len(seconds)
    label = arms.name_with_twins(arm, tables.arms)
    return {
        "metric": metric,
        "arm": label,
        "place": place,
        "seconds": mean,
        "fastest": min(seconds),
        "slowest": max(seconds),
        "value": spread.mean,
        "low": spread.low,
        "high": spread.high,
        "cut": spread.cut,
        "reused": sum(t.reused is not None for t in timed),
        "about": f"{label}\n{metrics.labelled(metric, spread.mean)}\n"
        f"{words.duration(mean)} a trial, {words.count(len(timed), 'trial')}",
    }


def _mark(row: dict[str, Any]) -> go.Scatter:
    style = arm_style(row["place"])
    bar = {"type": "data", "symmetric": False, "thickness": 1.2, "width": 0, "color": style["color"]}
    known = None not in (row["low"], row["high"])
    upright = {"array": [row["high"] - row["value"]], "arrayminus": [row["value"] - row["low"]]} if known else {}
    across = {"array": [row["slowest"] - row["seconds"]], "arrayminus": [row["seconds"] - row["fastest"]]}
    return go.Scatter(
        x=[row["seconds"]],
        y=[row["value"]],
        error_x={**bar, **across},
        error_y={**bar, **upright} if upright else None,
        mode="markers",
        marker={"color": style["color"], "symbol": style["symbol"], "size": 11, "line": {"color": PAPER, "width": 1}},
        name=escaped(row["arm"], 30),
        showlegend=row["place"] is not None,
        hoverinfo="text",
        hovertext=[hover(row["about"])],
    )
