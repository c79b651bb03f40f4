"""How the images differ: the measure of each by itself, sorted."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report.chart import BEST, COMPLETE, Drawn, axis, figure
from dfkd_ray.report.evaluation.dense_view import DenseTables

MOST = 200  # marks of a line
ROWS = pa.schema([("network", pa.string()), ("share", pa.float64()), ("value", pa.float64()), ("measure", pa.string())])


class ByImage(Drawn[DenseTables]):
    """The sorted measures of all images, a line a network."""

    title = "Image by image"
    reading = "A line through all images, from the worst to the best of each network; half of them lie left of 50 %."
    empty = "There is no image."

    @staticmethod
    def prepare(tables: DenseTables) -> pa.Table:
        rows = []
        for network in tables.networks:
            found = sorted(tables.by_image(network), reverse=tables.of_image.better == "min")
            count = min(len(found), MOST)
            for mark in range(count):
                at = mark * (len(found) - 1) // max(count - 1, 1)
                share = at / max(len(found) - 1, 1)
                rows.append({"network": network, "share": share, "value": found[at], "measure": tables.of_image.val})
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        data = rows.to_pylist()
        measure = data[0]["measure"]
        traces = []
        for network, colour in (("student", BEST), ("teacher", COMPLETE)):
            own = [row for row in data if row["network"] == network]
            if own:
                at = {"x": [row["share"] for row in own], "y": [row["value"] for row in own]}
                traces.append(go.Scatter(**at, mode="lines", line={"color": colour, "width": 2}, name=network))
        shares = {**axis("Share of the images", range=[-0.01, 1.01]), "tickformat": ".0%"}
        name = next(q.said for q in (metrics.MIOU, metrics.RMSE) if q.val == measure)
        title = f"{name[0].upper()}{name[1:]} of an image"
        return figure(traces, height=340, xaxis=shares, yaxis=axis(title, measure))
