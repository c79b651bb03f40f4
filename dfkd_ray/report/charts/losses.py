"""The losses of the trial that is shown, each term in its own panel: their scales differ by orders of magnitude."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import thinning
from dfkd_ray.report.chart import BEST, COMPLETE, TRAINING, Chart, axis, charts, constant, figure, hover, integer_axis
from dfkd_ray.report.view import Tables

ROWS = pa.schema(
    [
        ("panel", pa.string()),
        ("side", pa.string()),  # source: what makes the images; student: what is taught
        ("term", pa.string()),
        ("epoch", pa.int32()),
        ("value", pa.float64()),  # mean over the epoch
    ]
)


@charts.register("losses")
class Losses(Chart):
    section, rank = TRAINING, 10
    title = "Losses"
    reading = "Each panel is one term, its mean over each epoch; blue ones train the source, orange ones the student."
    empty = "There is no trial to look into that has recorded losses."
    panels = True

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        trial = tables.shown
        if trial is None:
            return ROWS.empty_table()
        rows, longest = [], 0
        for side in ("source", "student"):
            prefix = metrics.loss(side, "")
            found = [metric for metric in tables.metrics if metric.startswith(prefix)]
            for metric in sorted(found, key=lambda m: (m != f"{prefix}total", m)):
                term = metric.removeprefix(prefix)
                curve = tables.curve_shown(metric)
                longest = max(longest, len(curve))
                for epoch in thinning.epochs(list(curve), list(curve.values())):
                    rows.append(
                        {
                            "panel": f"{side.capitalize()}: {term}",
                            "side": side,
                            "term": term,
                            "epoch": epoch,
                            "value": curve[epoch],
                        }
                    )
        return thinning.long(pa.Table.from_pylist(rows, ROWS), longest)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        colour = COMPLETE if constant(rows, "side") == "source" else BEST
        epochs, means = rows["epoch"].to_pylist(), rows["value"].to_pylist()
        line = go.Scatter(
            x=epochs,
            y=means,
            mode="lines+markers" if len(epochs) < 3 else "lines",
            line={"color": colour, "width": 2},
            hoverinfo="text",
            hovertext=[hover(f"epoch {e}: {m:.4g}") for e, m in zip(epochs, means)],
        )
        return figure([line], height=200, xaxis=integer_axis("", epochs), yaxis=axis(""), showlegend=False)
