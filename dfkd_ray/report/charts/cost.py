"""The objective against cost: what a trial reached for the seconds it took."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import thinning
from dfkd_ray.report.chart import SEARCH, Chart, axis, by_role, charts, constant, figure, points, role, staircase
from dfkd_ray.report.view import Tables
from dfkd_ray.stats import front as pareto
from dfkd_ray.util import words

ROWS = pa.schema(
    [
        ("metric", pa.string()),
        ("trial", pa.int32()),
        ("seconds", pa.float64()),  # of the trial's own work
        ("value", pa.float64()),
        ("role", pa.string()),
        ("front", pa.bool_()),  # complete, and no complete trial is both cheaper and at least as good
        ("about", pa.string()),
    ]
)


@charts.register("cost")
class Cost(Chart):
    section, rank = SEARCH, 40
    title = "The objective against cost"
    reading = "Each mark is a trial; the line joins complete trials that none other beats at the same or a lower cost."
    empty = "No trial has both a value of the objective and a time."

    @staticmethod
    def applies(tables: Tables) -> bool:
        return not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        objective = tables.objective
        timed = [t for t in tables.searched if t.value is not None and t.row["seconds"] is not None]
        scores = {t.number: [-t.row["seconds"], objective.sign * (t.value or 0.0)] for t in timed if t.complete}
        front = set(pareto.front(scores))
        drawn = thinning.drawn(timed, tables, thinning.MARKS, front)
        rows = [
            {
                "metric": objective.metric,
                "trial": t.number,
                "seconds": t.row["seconds"],
                "value": t.value,
                "role": role(tables, t.number, t.state),
                "front": t.number in front,
                "about": tables.about(
                    t,
                    metrics.labelled(objective.metric, t.value),
                    f"{words.duration(t.row['seconds'])} of work",
                ),
            }
            for t in drawn
        ]
        return thinning.part_of(pa.Table.from_pylist(rows, ROWS), len(drawn), len(timed))

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        chosen = sorted((s, v) for s, v, on in zip(*(rows[c].to_pylist() for c in ("seconds", "value", "front"))) if on)
        line = staircase([s for s, _ in chosen], [v for _, v in chosen], "Pareto front")
        marks = [points(name, own["seconds"], own["value"], own) for name, own in by_role(rows)]
        metric = constant(rows, "metric")
        return figure(
            [line, *marks],
            xaxis=axis("Seconds of the trial", rangemode="tozero"),
            yaxis=axis(metrics.label(metric), metric),
        )
