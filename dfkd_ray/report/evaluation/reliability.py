"""Reliability diagrams: how often a network is right when it says how sure it is."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray.report.chart import BEST, COMPLETE, MUTED, PRUNED, Drawn, axis, constant, figure, hover
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.report.settings import is_number
from dfkd_ray.util import words

ROWS = pa.schema(
    [
        ("panel", pa.string()),
        ("network", pa.string()),
        ("low", pa.float64()),  # the ends of the bin
        ("high", pa.float64()),
        ("images", pa.int64()),
        ("confidence", pa.float64()),  # mean in the bin
        ("accuracy", pa.float64()),
    ]
)
COLOURS = {"student": BEST, "teacher": COMPLETE}


class Reliability(Drawn[EvaluationTables]):
    """The bins of the expected calibration error, those that hold images and have both ends."""

    title = "Reliability"
    reading = (
        "Bars: the share that is right among images of about one confidence; a bar that ends under the dotted line is "
        "of images of which the network is too sure. Below: how many images there are."
    )
    empty = "The tables hold no bins of confidence."
    panels = True

    @staticmethod
    def prepare(tables: EvaluationTables) -> pa.Table:
        rows = []
        for network in tables.networks:
            found = words.percent(tables.share(network, "ece"))
            panel = f"{network.capitalize()}, calibration error {found}"
            for told in tables.bins(network):
                numbers = {key: told.get(key) if is_number(told.get(key)) else None for key in ROWS.names[2:]}
                if numbers["images"] and None not in (numbers["low"], numbers["high"]):
                    rows.append({"panel": panel, "network": network, **numbers})
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        data = rows.to_pylist()
        middle = [(r["low"] + r["high"]) / 2 for r in data]
        said = [hover(_said(r)) for r in data]
        common: dict[str, Any] = {"x": middle, "width": [0.92 * (r["high"] - r["low"]) for r in data]}
        common |= {"hoverinfo": "text", "hovertext": said}
        right = {"color": COLOURS.get(constant(rows, "network"), BEST), "opacity": 0.85}
        line = go.Scatter(
            x=[0, 1], y=[0, 1], mode="lines", line={"color": MUTED, "dash": "dot", "width": 1.5}, hoverinfo="skip"
        )
        return figure(
            [
                go.Bar(y=[r["accuracy"] for r in data], marker=right, **common),
                line,
                go.Bar(y=[r["images"] for r in data], yaxis="y2", marker={"color": PRUNED}, **common),
            ],
            height=440,
            margin={"r": 28},  # else there is no room for the last label of the axis
            xaxis=axis("Confidence", "accuracy", range=[-0.01, 1.01], anchor="y2", dtick=0.2),
            yaxis=axis("Accuracy", "accuracy", range=[0, 1.02], domain=[0.3, 1]),
            yaxis2={"domain": [0, 0.2], "title": {"text": "Images"}, "nticks": 3, "rangemode": "tozero"},
            showlegend=False,
            barmode="overlay",
        )


def _said(row: dict[str, Any]) -> str:
    ends = f"confidence {words.percent(row['low'])} to {words.percent(row['high'])}"
    means = f"mean {words.percent(row['confidence'])}, right {words.percent(row['accuracy'])}"
    return f"{ends}\n{words.count(row['images'], 'image')}\n{means}"
