"""Shapley waterfall: how the way from no component to all of them is shared out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import effects
from dfkd_ray.report.chart import (
    EFFECTS,
    FAINT,
    HELPS,
    HURTS,
    INK,
    LABEL,
    PRUNED,
    Chart,
    axis,
    charts,
    constant,
    escaped,
    figure,
    hover,
)
from dfkd_ray.report.effects import EffectRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

ROW = 52  # pixels
ROWS = pa.schema(
    [
        ("metric", pa.string()),
        ("what", pa.string()),  # none, share, or full
        ("label", pa.string()),
        ("start", pa.float64()),
        ("end", pa.float64()),
        ("low", pa.float64()),  # the interval of the verdict
        ("high", pa.float64()),
        ("verdict", pa.string()),
        ("short", pa.string()),
        ("exact", pa.bool_()),
        ("pairs", pa.int32()),
        ("about", pa.string()),
    ]
)


@charts.register("shapley")
class Shapley(Chart):
    section, rank = EFFECTS, 30
    title = "From nothing to everything"
    reading = (
        "The bars are Shapley values: each component's mean contribution over all orders in which components can join. "
        "They add up to the way from none to all; thin lines are their 95 % intervals."
    )
    empty = "No pair has ended in every arm yet."

    @staticmethod
    def applies(tables: Tables) -> bool:
        return bool(effects.told(tables, tables.objective.metric, "shapley"))

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        metric = tables.objective.metric
        shares = effects.told(tables, metric, "shapley")
        start = _start(tables, metric)
        if not shares or start is None or any(share.difference is None for share in shares):
            return ROWS.empty_table()
        at = start
        rows = [_end("none", "none on", metric, at, shares)]
        for share in shares:
            rows.append(_row(share, at))
            at += share.difference or 0.0
        return pa.Table.from_pylist([*rows, _end("full", "all on", metric, at, shares)], ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        metric, data = constant(rows, "metric"), rows.to_pylist()
        ends = [e for row in data for e in (row["start"], row["end"], row["low"], row["high"]) if e is not None]
        pad = 0.06 * (max(ends) - min(ends)) or 0.01
        return figure(
            [*_bars(data), _steps(data), _marks(data)],
            height=ROW * len(data) + 70,
            annotations=[_said(row, i) for i, row in enumerate(data)],
            xaxis=axis(metrics.label(metric), metric, range=[min(ends) - pad, max(ends) + pad]),
            yaxis={"range": [len(data) - 0.4, -0.75], "visible": False, "fixedrange": True},
            showlegend=False,
            barmode="overlay",
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        pairs = words.count(constant(rows, "pairs"), "pair")
        if constant(rows, "exact"):
            return [f"Exact: every coalition of components was run; n = {pairs}."]
        return [f"Estimated from the coalitions that were run (weighted regression), not exact; n = {pairs}."]


def _start(tables: Tables, metric: str) -> float | None:
    """Mean of the arm without any component, over the pairs that are there in every arm: those of the values."""
    none = next((arm for arm in tables.arms if arm.name == "none"), None)
    if none is None:
        return None
    values = {
        arm.name: {t.pair: found for t in arm.trials if (found := tables.reached(t, metric)) is not None}
        for arm in tables.arms
    }
    common = set.intersection(*map(set, values.values()))
    return math.fsum(values["none"][pair] for pair in common) / len(common) if common else None


def _end(what: str, label: str, metric: str, at: float, shares: Sequence[EffectRow]) -> dict[str, Any]:
    common = {"metric": metric, "exact": all(share.exact for share in shares), "pairs": shares[0].pairs}
    about = f"{label}: {metrics.with_unit(metric, at)}"
    return {**common, "what": what, "label": label, "start": at, "end": at, "about": about}


def _row(share: EffectRow, start: float) -> dict[str, Any]:
    found = share.difference or 0.0
    return {
        "metric": share.metric,
        "what": "share",
        "label": share.component,
        "start": start,
        "end": start + found,
        "low": None if share.low is None else start + share.low,
        "high": None if share.high is None else start + share.high,
        "verdict": share.verdict,
        "short": share.short,
        "exact": share.exact,
        "pairs": share.pairs,
        "about": f"{share.contrast}: {metrics.changed(share.metric, found)}\n"
        f"95 % interval {metrics.interval(share.metric, share.low, share.high)}\n{share.verdict}",
    }


def _colour(row: dict[str, Any]) -> str:
    return {effects.HELPS: HELPS, effects.HURTS: HURTS}.get(row["verdict"], PRUNED)


def _bars(data: Sequence[dict[str, Any]]) -> list[go.Bar]:
    own = [(i, row) for i, row in enumerate(data) if row["what"] == "share"]
    known = [(row["end"], row["low"], row["high"]) for _, row in own]
    bar = go.Bar(
        x=[row["end"] - row["start"] for _, row in own],
        base=[row["start"] for _, row in own],
        y=[i for i, _ in own],
        orientation="h",
        width=0.3,
        marker={"color": [_colour(row) for _, row in own], "opacity": 0.8},
        error_x={
            "type": "data",
            "symmetric": False,
            "array": [0 if high is None else high - end for end, _, high in known],
            "arrayminus": [0 if low is None else end - low for end, low, _ in known],
            "thickness": 1.2,
            "width": 0,
            "color": INK,
        },
        hoverinfo="text",
        hovertext=[hover(row["about"]) for _, row in own],
    )
    return [bar]


def _steps(data: Sequence[dict[str, Any]]) -> go.Scatter:
    """Upright lines from where one bar ends to where the next begins."""
    x: list[float | None] = []
    y: list[float | None] = []
    for i, row in enumerate(data[:-1]):
        x += [row["end"], row["end"], None]
        y += [i, i + 1, None]
    return go.Scatter(x=x, y=y, mode="lines", line={"color": FAINT, "width": 1.5}, hoverinfo="skip")


def _marks(data: Sequence[dict[str, Any]]) -> go.Scatter:
    ends = [(i, row) for i, row in enumerate(data) if row["what"] != "share"]
    return go.Scatter(
        x=[row["end"] for _, row in ends],
        y=[i for i, _ in ends],
        mode="markers",
        marker={"symbol": "diamond", "size": 11, "color": INK},
        hoverinfo="text",
        hovertext=[hover(row["about"]) for _, row in ends],
    )


def _said(row: dict[str, Any], place: int) -> dict[str, Any]:
    """The name, and after it a share with its verdict, or what an end reaches."""
    name, share = escaped(row["label"], 30), metrics.difference(row["metric"], row["end"] - row["start"])
    reached = metrics.with_unit(row["metric"], row["end"])
    said = f"<b>{share}</b> {escaped(row['short'])}" if row["what"] == "share" else f"<b>{reached}</b>"
    at = {"x": 0, "xref": "paper", "xanchor": "left", "y": place - 0.36, "font": {"color": INK}}
    return {**LABEL, **at, "text": f"{name}  {said}"}
