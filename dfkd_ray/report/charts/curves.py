"""Learning curves: how each trial's student learned, and where the stopper cut it."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report.chart import (
    MARKERS,
    ROLES,
    SEARCH,
    Chart,
    axis,
    by_role,
    charts,
    constant,
    figure,
    hover,
    integer_axis,
    role,
)
from dfkd_ray.report.view import Tables

ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the metric in words
        ("metric", pa.string()),
        ("trial", pa.int32()),
        ("epoch", pa.int32()),
        ("value", pa.float64()),
        ("role", pa.string()),
        ("last", pa.bool_()),  # the trial's last epoch
        ("about", pa.string()),
    ]
)
_LINES: dict[str, dict[str, Any]] = {
    "complete": {"width": 1.5},
    "best": {"width": 3},
    "pruned": {"width": 1.2},
    "running": {"width": 1.2, "dash": "dot"},
    "failed": {"width": 1.2, "dash": "dash"},
}


@charts.register("curves")
class Curves(Chart):
    section, rank = SEARCH, 20
    title = "Learning curves"
    reading = "Each line is a trial; grey lines that end in an open circle were stopped early, a cross marks a failure."
    empty = "No trial has reported an epoch yet."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        wanted = dict.fromkeys([*(o.metric for o in tables.objectives), metrics.VAL_ACCURACY])
        rows = []
        for metric in wanted:
            curves = tables.curve(metric)
            for trial in tables.all:
                epochs = sorted(curves.get(trial.number, {}))
                for epoch in epochs:
                    reached = curves[trial.number][epoch]
                    rows.append(
                        {
                            "panel": metrics.label(metric),
                            "metric": metric,
                            "trial": trial.number,
                            "epoch": epoch,
                            "value": reached,
                            "role": role(tables, trial.number, trial.state),
                            "last": epoch == epochs[-1],
                            "about": tables.about(trial, f"epoch {epoch}: {metrics.with_unit(metric, reached)}"),
                        }
                    )
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        traces = []
        for name, own in by_role(rows):
            x, y, said = _with_gaps(own)
            colour = MARKERS[name]["color"]
            legend = {"name": ROLES[name], "legendgroup": name}
            hover = {"hoverinfo": "text", "hovertext": said}
            faint = 1 if name == "best" else max(0.12, min(1.0, 5 / len(set(own["trial"]))))
            line = {"color": colour, **_LINES[name]}
            traces.append(go.Scatter(x=x, y=y, mode="lines", line=line, opacity=faint, **hover, **legend))
            ends = [i for i, last in enumerate(own["last"]) if last]
            at = {"x": [own["epoch"][i] for i in ends], "y": [own["value"][i] for i in ends]}
            mark = {**MARKERS[name], "size": 7 if name != "best" else 14}
            traces.append(go.Scatter(**at, mode="markers", marker=mark, hoverinfo="skip", showlegend=False, **legend))
        return figure(
            traces,
            height=400,
            xaxis=integer_axis("Epoch", rows["epoch"].to_pylist()),
            yaxis=axis(constant(rows, "panel"), constant(rows, "metric")),
        )


def _with_gaps(own: dict[str, list[Any]]) -> tuple[list[int | None], list[float | None], list[str]]:
    """All trials of a role as one line with a gap between trials: 200 trials stay quick to draw."""
    x: list[int | None] = []
    y: list[float | None] = []
    said: list[str] = []
    for epoch, reached, about, last in zip(own["epoch"], own["value"], own["about"], own["last"]):
        x.append(epoch)
        y.append(reached)
        said.append(hover(about))
        if last:
            x.append(None)
            y.append(None)
            said.append("")
    return x, y, said
