"""Learning curves: how each trial's student learned, and where the stopper cut it.

Of a large study a band stands for the trials that are not drawn: from the 5 % to the 95 % quantile of all that reached
an epoch, and their median.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
import pyarrow.compute as pc

from dfkd_ray import metrics
from dfkd_ray.report import thinning
from dfkd_ray.report.chart import (
    FAINT,
    MARKERS,
    MUTED,
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
    linked,
    role,
)
from dfkd_ray.report.steps import CurveTable
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables

ALL = "all"
QUANTILES = (0.05, 0.5, 0.95)
ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the metric in words
        ("metric", pa.string()),
        ("trial", pa.int32()),
        ("epoch", pa.int32()),
        ("value", pa.float64()),
        ("role", pa.string()),  # or `all`: the median of all trials after this epoch
        ("last", pa.bool_()),  # the trial's last epoch
        ("low", pa.float64()),  # of the band around that median
        ("high", pa.float64()),
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
        wanted = dict.fromkeys([*(o.metric for o in tables.objectives), tables.quality.val])
        found = [trial for trial in tables.searched if any(trial.number in tables.curve(metric) for metric in wanted)]
        drawn = thinning.drawn(found, tables, thinning.LINES, few=thinning.BESIDE)
        rows = []
        for metric in wanted:
            curves, common = tables.curve(metric), {"panel": metrics.label(metric), "metric": metric}
            rows += [{**common, **row} for row in _band(curves)] if len(drawn) < len(found) else []
            for trial in drawn:
                own = {**common, "trial": trial.number, "role": role(tables, trial.number, trial.state)}
                rows += [{**own, **row} for row in _line(tables, trial, metric)]
        longest = max(tables.curve(metric).longest for metric in wanted)
        made = thinning.long(pa.Table.from_pylist(rows, ROWS), longest)
        return thinning.part_of(made, len(drawn), len(found))

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        traces = _area(rows.filter(pc.equal(rows["role"], ALL)))
        for name, own in by_role(rows):
            x, y, said, whose = _with_gaps(own)
            colour = MARKERS[name]["color"]
            legend = {"name": ROLES[name], "legendgroup": name}
            hover = {"hoverinfo": "text", "hovertext": said, **linked(name, whose)}
            faint = 1 if name == "best" else max(0.12, min(1.0, 5 / len(set(own["trial"]))))
            line = {"color": colour, **_LINES[name]}
            traces.append(go.Scatter(x=x, y=y, mode="lines", line=line, opacity=faint, **hover, **legend))
            ends = [i for i, last in enumerate(own["last"]) if last]
            at = {"x": [own["epoch"][i] for i in ends], "y": [own["value"][i] for i in ends]}
            at |= linked(name, [own["trial"][i] for i in ends])
            mark = {**MARKERS[name], "size": 7 if name != "best" else 14}
            traces.append(go.Scatter(**at, mode="markers", marker=mark, hoverinfo="skip", showlegend=False, **legend))
        return figure(
            traces,
            height=400,
            xaxis=integer_axis("Epoch", rows["epoch"].to_pylist()),
            yaxis=axis(constant(rows, "panel"), constant(rows, "metric")),
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        band = "The band holds nine tenths of all trials that reached an epoch, the dotted line is their median."
        return [band] if ALL in rows["role"].to_pylist() else []


def _line(tables: Tables, trial: TrialRow, metric: str) -> list[dict[str, Any]]:
    curve = tables.curve(metric).get(trial.number, {})
    chosen = thinning.epochs(list(curve), list(curve.values()))
    return [
        {
            "epoch": epoch,
            "value": curve[epoch],
            "last": epoch == chosen[-1],
            "about": tables.about(trial, f"epoch {epoch}: {metrics.with_unit(metric, curve[epoch])}"),
        }
        for epoch in chosen
    ]


def _band(curves: CurveTable) -> list[dict[str, Any]]:
    """After each epoch, at most as many as a line has points, three quantiles of all trials that reached it."""
    order = np.argsort(curves.epoch, kind="stable")
    epochs, first = np.unique(curves.epoch[order], return_index=True)
    spread = np.array([np.quantile(own, QUANTILES) for own in np.split(curves.value[order], first[1:])])
    known = dict(zip(epochs.tolist(), spread.tolist()))
    chosen = thinning.epochs(list(known), spread[:, 1].tolist()) if known else []
    band = ((epoch, *known[epoch]) for epoch in chosen)
    return [{"role": ALL, "epoch": e, "low": low, "value": middle, "high": high} for e, low, middle, high in band]


def _area(rows: pa.Table) -> list[go.Scatter]:
    """The band and the median in it; nothing where all trials are drawn."""
    if not rows.num_rows:
        return []
    x, low, high = (rows[name].to_pylist() for name in ("epoch", "low", "high"))
    common = {"hoverinfo": "skip", "name": "all trials", "legendgroup": ALL}
    band = {"x": [*x, *x[::-1]], "y": [*high, *low[::-1]], "fill": "toself", "fillcolor": FAINT, "line": {"width": 0}}
    median = {"x": x, "y": rows["value"].to_pylist(), "line": {"color": MUTED, "width": 2, "dash": "dot"}}
    return [go.Scatter(mode="lines", **band, **common), go.Scatter(mode="lines", **median, **common, showlegend=False)]


def _with_gaps(own: dict[str, list[Any]]) -> tuple[list[int | None], list[float | None], list[str], list[int | None]]:
    """All trials of a role as one line with a gap between trials: 200 trials stay quick to draw. Last: whose it is."""
    x: list[int | None] = []
    y: list[float | None] = []
    said: list[str] = []
    whose: list[int | None] = []
    for epoch, reached, about, last, number in zip(*(own[key] for key in ("epoch", "value", "about", "last", "trial"))):
        x.append(epoch)
        y.append(reached)
        said.append(hover(about))
        whose.append(number)
        if last:
            x.append(None)
            y.append(None)
            said.append("")
            whose.append(None)
    return x, y, said, whose
