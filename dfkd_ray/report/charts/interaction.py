"""The two settings that matter most, together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
from scipy.interpolate import griddata

from dfkd_ray import metrics
from dfkd_ray.report import thinning
from dfkd_ray.report.chart import (
    MARKERS,
    MUTED,
    PAPER,
    PRUNED,
    SETTINGS,
    Chart,
    by_role,
    charts,
    constant,
    escaped,
    figure,
    jitter,
    place_axis,
    points,
    role,
)
from dfkd_ray.report.settings import Parameter
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

ENOUGH = 10  # complete trials from which a surface is interpolated
GRID_SIZE = 25
_COMPARED = ("complete", "best")
_AXIS = [
    ("label", pa.string()),
    ("kind", pa.string()),
    ("low", pa.float64()),
    ("high", pa.float64()),
    ("options", pa.list_(pa.string())),
]
ROWS = pa.schema(
    [
        ("what", pa.string()),  # trial, or grid: a value interpolated between complete trials
        ("trial", pa.int32()),
        ("role", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("value", pa.float64()),
        ("metric", pa.string()),
        ("minimised", pa.bool_()),
        ("by_importance", pa.bool_()),  # false: the first two of the study file, as no importance is known
        *((f"x_{name}", kind) for name, kind in _AXIS),
        *((f"y_{name}", kind) for name, kind in _AXIS),
        ("about", pa.string()),
    ]
)


@charts.register("interaction")
class Interaction(Chart):
    section, rank = SETTINGS, 40
    title = "The two most important settings together"
    reading = (
        "Each mark is a trial at its place in both ranges; strong colour is good, open circles were stopped early."
    )
    empty = "Fewer than two searched settings were set together in trials that have a value."

    @staticmethod
    def applies(tables: Tables) -> bool:
        return not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        first, second, ranked = _pair(tables)
        if first is None or second is None:
            return ROWS.empty_table()
        common = {
            "metric": tables.objective.metric,
            "minimised": tables.objective.mode == "min",
            "by_importance": ranked,
            **_axis_columns("x", first),
            **_axis_columns("y", second),
        }
        found = [
            trial for trial in tables.searched if trial.value is not None and None not in _at(trial, first, second)
        ]
        drawn = thinning.drawn(found, tables, thinning.MARKS)
        rows: list[dict[str, Any]] = []
        for trial in drawn:
            said = metrics.labelled(tables.objective.metric, trial.value)
            x, y = _at(trial, first, second)
            own = {
                "what": "trial",
                "trial": trial.number,
                "role": role(tables, trial.number, trial.state),
                "x": x,
                "y": y,
            }
            rows.append({**own, "value": trial.value, "about": tables.about(trial, said), **common})
        known = [trial for trial in found if trial.complete]
        if first.numeric and second.numeric and len(known) >= ENOUGH:
            rows += [{"what": "grid", **cell, **common} for cell in _surface(first, second, known)]
        return thinning.part_of(pa.Table.from_pylist(rows, ROWS), len(drawn), len(found))

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        first = rows.slice(0, 1).to_pylist()[0]
        trials = [row for row in rows.to_pylist() if row["what"] == "trial"]
        marks = []
        for name, own in by_role(pa.Table.from_pylist(trials, ROWS)):
            x, y = (jitter(own[a], own["trial"], first[f"{a}_kind"]) for a in ("x", "y"))
            marks.append(points(name, x, y, own, marker=_marker(name, own["value"]), showlegend=False))
        compared = {row["value"] for row in trials if row["role"] in _COMPARED}
        drawn = figure(
            [*_contour(rows), *marks],
            height=460,
            margin={"b": 64, "t": 70},
            xaxis=place_axis(*(first[f"x_{name}"] for name, _ in _AXIS)),
            yaxis=place_axis(*(first[f"y_{name}"] for name, _ in _AXIS)),
            coloraxis={
                "reversescale": first["minimised"],
                "showscale": len(compared) > 1,
                "colorbar": _bar(first["metric"]),
            },
        )
        # Beside a lying colour bar plotly.js counts the distance of the title from the axis, not from its ticks.
        return drawn.update_xaxes(title_standoff=38)

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        drawn = "grid" in rows["what"].to_pylist()
        surface = ["The surface is interpolated linearly between complete trials: read it as a guess."] if drawn else []
        guess = [] if constant(rows, "by_importance") else ["No importance is known: these are the first two settings."]
        return [*guess, *surface]


def _marker(name: str, values: list[float]) -> dict[str, Any]:
    """Trials that are compared have the colour of their value, and an edge, as the poor end of the scale is pale; the
    others are outlines."""
    if name not in _COMPARED:
        return {**MARKERS[name], "color": PRUNED}
    size = 18 if name == "best" else 12
    return {
        **MARKERS[name],
        "color": values,
        "coloraxis": "coloraxis",
        "size": size,
        "line": {"color": MUTED, "width": 1},
    }


def _bar(metric: str) -> dict[str, Any]:
    shares = {"tickformat": ".0%"} if metrics.find(metric).unit.head == "%" else {}
    title = {"text": escaped(metrics.label(metric)), "side": "top"}
    return {
        "title": title,
        "orientation": "h",
        "y": 1.02,
        "yanchor": "bottom",
        "thickness": 10,
        "outlinewidth": 0,
        **shares,
    }


def _pair(tables: Tables) -> tuple[Parameter | None, Parameter | None, bool]:
    """The two settings of the highest importance for the first objective, else the first two; and which it was."""
    shares = tables.importance.get(tables.objective.metric, {})
    known = {p.path: p for p in tables.parameters}
    ranked = sorted((path for path in shares if path in known), key=lambda path: -shares[path])
    chosen = [known[path] for path in ranked] if len(ranked) >= 2 else list(tables.parameters)
    return (chosen[0], chosen[1], len(ranked) >= 2) if len(chosen) >= 2 else (None, None, False)


def _axis_columns(which: str, parameter: Parameter) -> dict[str, Any]:
    options = [words.setting(option) for option in parameter.options]
    names = {
        "label": parameter.label,
        "kind": parameter.kind,
        "low": parameter.low,
        "high": parameter.high,
        "options": options,
    }
    return {f"{which}_{name}": item for name, item in names.items()}


def _at(trial: TrialRow, first: Parameter, second: Parameter) -> tuple[float | None, float | None]:
    """Where a trial stands on the two axes; None where it has no place."""
    x, y = (p.place(trial.changes[p.path]) if p.path in trial.changes else None for p in (first, second))
    return x, y


def _surface(first: Parameter, second: Parameter, known: Sequence[TrialRow]) -> list[dict[str, float]]:
    """Linear interpolation inside the trials' convex hull, in the scale of each axis; none if they lie on a line."""
    at = np.array([[p.share(trial.changes[p.path]) or 0.0 for p in (first, second)] for trial in known])
    values = np.array([trial.value for trial in known])
    if np.linalg.matrix_rank(at - at.mean(0), tol=1e-6) < 2:
        return []
    steps = np.linspace(0, 1, GRID_SIZE)
    mesh = np.stack(np.meshgrid(steps, steps), -1).reshape(-1, 2)
    guessed = griddata(at, values, mesh, method="linear")
    cells = zip(mesh[:, 0], mesh[:, 1], guessed)
    return [
        {"x": _unshare(first, x), "y": _unshare(second, y), "value": float(v)} for x, y, v in cells if np.isfinite(v)
    ]


def _unshare(parameter: Parameter, share: float) -> float:
    low, high = parameter.low, parameter.high
    return float(low * (high / low) ** share if parameter.kind == "log" else low + share * (high - low))


def _contour(rows: pa.Table) -> list[go.Contour]:
    cells = [row for row in rows.to_pylist() if row["what"] == "grid"]
    if not cells:
        return []
    xs, ys = (sorted({cell[a] for cell in cells}) for a in ("x", "y"))
    known = {(cell["x"], cell["y"]): cell["value"] for cell in cells}
    z = [[known.get((x, y)) for x in xs] for y in ys]
    # Coloured by level ("fill") on a colour axis that markers share, this hangs plotly.js 4.1.1; "heatmap" does not.
    style = {"contours": {"coloring": "heatmap"}, "line": {"color": PAPER, "width": 0.5}, "opacity": 0.45}
    return [go.Contour(x=xs, y=ys, z=z, coloraxis="coloraxis", hoverinfo="skip", **style)]
