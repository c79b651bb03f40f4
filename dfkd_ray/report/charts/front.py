"""The Pareto front of a study with several objectives."""

from __future__ import annotations

import itertools

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import fronts, thinning
from dfkd_ray.report.chart import BEST, SEARCH, Chart, axis, by_role, charts, constant, figure, points, role
from dfkd_ray.report.view import Tables

ROWS = pa.schema(
    [
        ("panel", pa.string()),
        ("x_metric", pa.string()),
        ("y_metric", pa.string()),
        ("trial", pa.int32()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("role", pa.string()),
        ("front", pa.bool_()),  # no complete trial is better in one objective without being worse in another
        ("knee", pa.bool_()),
        ("about", pa.string()),
    ]
)


@charts.register("front")
class Front(Chart):
    section, rank = SEARCH, 30
    title = "Pareto front"
    reading = (
        "Ringed trials are on the front: none other is better in one objective without being worse in another. A "
        "square marks its knee."
    )
    empty = "No trial is complete with a value of each objective."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return len(tables.objectives) > 1 and not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        front, knee = {t.number for t in tables.front}, fronts.knee_of(tables)
        drawn = thinning.drawn(tables.complete, tables, thinning.MARKS)
        rows = []
        for (i, first), (j, second) in itertools.combinations(enumerate(tables.objectives), 2):
            names = [metrics.label(o.metric) for o in (first, second)]
            for trial in drawn:
                x, y = trial.values[j], trial.values[i]
                said = [metrics.labelled(o.metric, v) for o, v in zip(tables.objectives, trial.values)]
                rows.append(
                    {
                        "panel": " against ".join(names),
                        "x_metric": second.metric,
                        "y_metric": first.metric,
                        "trial": trial.number,
                        "x": x,
                        "y": y,
                        "role": role(tables, trial.number, trial.state),
                        "front": trial.number in front,
                        "knee": trial.number == knee,
                        "about": tables.about(trial, *said),
                    }
                )
        return thinning.part_of(pa.Table.from_pylist(rows, ROWS), len(drawn), len(tables.complete))

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        marks = [points(name, own["x"], own["y"], own) for name, own in by_role(rows)]
        rings = [
            _ring(rows, "front", "on the front", "circle-open", 18),
            _ring(rows, "knee", "the knee", "square-open", 24),
        ]
        x, y = constant(rows, "x_metric"), constant(rows, "y_metric")
        return figure(
            [*filter(None, rings), *marks], height=400, xaxis=axis(metrics.label(x), x), yaxis=axis(metrics.label(y), y)
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        none = "The front has no knee: it has fewer than three trials, or bends inwards."
        return [fronts.KNEE if any(rows["knee"].to_pylist()) else none]


def _ring(rows: pa.Table, column: str, name: str, symbol: str, size: int) -> go.Scatter | None:
    """What marks the rows for which a column is true; None where there is none."""
    chosen = [(x, y) for x, y, on in zip(*(rows[c].to_pylist() for c in ("x", "y", column))) if on]
    if not chosen:
        return None
    marker = {"symbol": symbol, "size": size, "color": BEST, "line": {"width": 2}}
    x, y = zip(*chosen)
    return go.Scatter(x=x, y=y, mode="markers", marker=marker, name=name, hoverinfo="skip")
