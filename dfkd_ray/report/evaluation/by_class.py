"""Accuracy by class, from the worst to the best."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray.report.chart import BEST, COMPLETE, FAINT, Drawn, axis, escaped, figure, hover
from dfkd_ray.report.evaluation.view import NETWORKS, EvaluationTables
from dfkd_ray.util import words

NAMED = 40  # classes up to which each has a line of its own
STYLES: dict[str, dict[str, Any]] = {
    "student": {"color": BEST, "symbol": "circle", "size": 9},
    "teacher": {"color": COMPLETE, "symbol": "diamond-open", "size": 9, "line": {"width": 1.5}},
}
ROWS = pa.schema(
    [
        ("place", pa.int32()),  # 0: the class that the student knows worst
        ("name", pa.string()),
        ("images", pa.int64()),  # that show it
        ("student", pa.float64()),
        ("teacher", pa.float64()),  # null where there is no teacher
    ]
)


class ByClass(Drawn[EvaluationTables]):
    """Classes without images are left out."""

    title = "Accuracy by class"
    reading = "Classes are sorted from the one that the student knows worst to the one that it knows best."
    empty = "There is no image."

    @staticmethod
    def prepare(tables: EvaluationTables) -> pa.Table:
        none: list[float | None] = [None] * len(tables.classes)
        shares = {name: tables.by_class(name) if name in tables.networks else none for name in NETWORKS}
        rows: list[dict[str, Any]] = [
            {"name": name, "images": int(images), "student": student, "teacher": teacher}
            for name, images, student, teacher in zip(tables.classes, tables.counts, *shares.values())
            if images
        ]
        rows.sort(key=lambda row: (row["student"], row["teacher"] or 0.0))
        return pa.Table.from_pylist([{"place": i, **row} for i, row in enumerate(rows)], ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        return drawn(rows, "Accuracy", "image")


def drawn(rows: pa.Table, measure: str, noun: str) -> go.Figure:
    """A mark a class and network, of a share that is called `measure`; noun: what a class is counted in."""
    data = rows.to_pylist()
    few, compared = len(data) <= NAMED, rows["teacher"].null_count < len(data)
    places, shares = [r["place"] for r in data], axis(measure, "accuracy", range=[-0.02, 1.02])
    traces: list[go.Scatter] = [_joined(data, few)] if compared else []
    for network in NETWORKS if compared else NETWORKS[:1]:
        reached = [r[network] for r in data]
        at = {"x": reached, "y": places} if few else {"x": places, "y": reached}
        said = [hover(_said(r, noun)) for r in data]
        style = STYLES[network] if few else {**STYLES[network], "size": 6}
        mark = {"mode": "markers", "marker": style, "hoverinfo": "text", "hovertext": said}
        traces.append(go.Scatter(**at, **mark, name=network))
    if not few:
        numbers = axis("Class, from the worst known to the best", range=[-1, len(data)], showgrid=False)
        return figure(traces, height=420, xaxis=numbers, yaxis=shares)
    ticks = {"tickvals": places, "ticktext": [escaped(r["name"], 30) for r in data]}
    names = {**ticks, "range": [len(data) - 0.4, -0.6], "showgrid": False, "zeroline": False}
    return figure(traces, height=110 + 24 * len(data), xaxis={**shares, "showgrid": True}, yaxis=names)


def _joined(data: list[dict[str, Any]], few: bool) -> go.Scatter:
    """A faint line from a class's one mark to its other."""
    along: list[float | None] = []
    across: list[float | None] = []
    for row in data:
        along += [row["student"], row["teacher"], None]
        across += [row["place"], row["place"], None]
    at = {"x": along, "y": across} if few else {"x": across, "y": along}
    line = {"color": FAINT, "width": 3 if few else 1}
    return go.Scatter(**at, mode="lines", line=line, hoverinfo="skip", showlegend=False)


def _said(row: dict[str, Any], noun: str) -> str:
    teacher = "" if row["teacher"] is None else f", teacher {words.percent(row['teacher'])}"
    return f"{row['name']}, {words.count(row['images'], noun)}\nstudent {words.percent(row['student'])}{teacher}"
