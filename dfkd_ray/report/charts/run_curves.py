"""How a single run went: each metric after each epoch, in its own panel."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import thinning
from dfkd_ray.report.chart import COMPLETE, MARKERS, RUN, Chart, axis, charts, constant, figure, hover, integer_axis
from dfkd_ray.report.view import Tables

ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the metric in words
        ("metric", pa.string()),
        ("epoch", pa.int32()),
        ("value", pa.float64()),
        ("best", pa.bool_()),  # the epoch where the study's first objective was best
    ]
)


@charts.register("run_curves")
class RunCurves(Chart):
    section, rank = RUN, 10
    title = "Metrics"
    reading = "Each panel is one metric after each epoch; a star marks the epoch where the objective was best."
    empty = "No epoch has ended yet."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return tables.run is not None

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        run, rows, longest = tables.run, [], 0
        if run is None:
            return ROWS.empty_table()
        for metric in tables.read_in_order:
            if metric.startswith(metrics.LOSS):  # they have a chart of their own
                continue
            curve, at_best = tables.curve_shown(metric), run.row["best_epoch"]
            longest = max(longest, len(curve))
            for epoch in sorted({*thinning.epochs(list(curve), list(curve.values())), at_best} & curve.keys()):
                panel, best = metrics.label(metric), epoch == at_best
                rows.append({"panel": panel, "metric": metric, "epoch": epoch, "value": curve[epoch], "best": best})
        return thinning.long(pa.Table.from_pylist(rows, ROWS), longest)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        metric, epochs, reached = constant(rows, "metric"), rows["epoch"].to_pylist(), rows["value"].to_pylist()
        about = [hover(f"epoch {e}: {metrics.with_unit(metric, v)}") for e, v in zip(epochs, reached)]
        said = {"hoverinfo": "text", "line": {"color": COMPLETE, "width": 2}}
        mode = "lines+markers" if len(epochs) < 3 else "lines"
        traces = [go.Scatter(x=epochs, y=reached, mode=mode, hovertext=about, **said)]
        if any(stars := rows["best"].to_pylist()):
            at = stars.index(True)
            star = {**MARKERS["best"], "size": 13}
            traces.append(go.Scatter(x=[epochs[at]], y=[reached[at]], mode="markers", marker=star, hoverinfo="skip"))
        return figure(traces, height=200, xaxis=integer_axis("", epochs), yaxis=axis("", metric), showlegend=False)
