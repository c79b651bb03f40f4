"""Forest plot: every effect with its intervals and its verdict."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import effects
from dfkd_ray.report.chart import (
    EFFECTS,
    HELPS,
    HURTS,
    INK,
    LABEL,
    MUTED,
    PRUNED,
    Chart,
    axis,
    charts,
    constant,
    escaped,
    figure,
    hover,
)
from dfkd_ray.report.effects import SINGLE, EffectRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

ROW, HEAD = 48, 42  # pixels: a row, and the heading of a group
STYLES: dict[str, dict[str, Any]] = {
    effects.HELPS: {"color": HELPS, "symbol": "circle", "size": 11},
    effects.HURTS: {"color": HURTS, "symbol": "square", "size": 10},
    "open": {"color": PRUNED, "symbol": "circle-open", "size": 10, "line": {"width": 2}},
}
ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the metric in words
        ("metric", pa.string()),
        ("minimised", pa.bool_()),
        ("group", pa.string()),  # effects of one component, interactions, Shapley values
        ("label", pa.string()),
        *((name, pa.float64()) for name in ("difference", "low", "high")),
        ("verdict", pa.string()),
        ("short", pa.string()),  # the verdict in a word or three
        ("about", pa.string()),
    ]
)


@charts.register("forest")
class Forest(Chart):
    section, rank = EFFECTS, 10
    title = "Each effect with its intervals"
    reading = (
        "Marks are mean paired differences, bars their 95 % intervals over all effects of their kind. "
        "A filled circle helps, a filled square hurts, an open circle cannot be told from nothing."
    )
    empty = "No pair of trials has ended in every arm yet."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        rows = []
        for metric in effects.leading(tables):
            for kinds, heading in ((SINGLE, _heading), (("interaction",), _interactions), (("shapley",), _shapley)):
                found = effects.told(tables, metric, *kinds)
                group = heading(found)
                minimised = {"minimised": effects.mode(tables, metric) == "min"}
                rows += [_row(effect, group) | minimised for effect in found]
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        metric, data = constant(rows, "metric"), rows.to_pylist()
        scale, unit = metrics.find(metric).unit.scale, metrics.points(metric)
        places, headings, height = _places(data)
        traces: list[Any] = []
        for verdict, style in STYLES.items():
            own = [i for i, row in enumerate(data) if _style_of(row["verdict"]) == verdict]
            traces += [_marks([data[i] for i in own], [places[i] for i in own], style, scale)] if own else []
        said = [note for row, place in zip(data, places) for note in _said(row, place)]
        better = ", less is better" if constant(rows, "minimised") else ""
        return figure(
            traces,
            height=height + 70,
            annotations=[*said, *(_text(f"<b>{escaped(t, 60)}</b>", 0, y, MUTED) for t, y in headings)],
            xaxis=axis(f"Difference{f', {unit}' if unit else ''}{better}", rangemode="tozero", zeroline=True),
            yaxis={"range": [height, 0], "visible": False, "fixedrange": True},
            showlegend=False,
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        notes = [
            "An effect is told apart where its interval leaves 0 out: both come from one rule, for which the spread of "
            "an effect counts for no less than a share of the widest of its kind. Intervals of an effect by itself, "
            "Student's and the bootstrap's, are in the table; they decide nothing."
        ]
        if any("interaction" in group.lower() for group in rows["group"].to_pylist()):
            notes.append(
                "An interaction is half the difference between the effect of one component where the other is on and "
                "where it is off: it helps if the two do more together than their effects add up to."
            )
        return notes


def _row(effect: EffectRow, group: str) -> dict[str, Any]:
    numbers = ("difference", "low", "high")
    return {
        "panel": metrics.label(effect.metric),
        "metric": effect.metric,
        "group": group,
        "label": _label(effect, group),
        **{name: getattr(effect, name) for name in numbers},
        "verdict": effect.verdict,
        "short": effect.short,
        "about": _about(effect),
    }


def _heading(found: Sequence[EffectRow]) -> str:
    """What the effects of single components share: what the rest was meanwhile."""
    rests = {effect.rest for effect in found}
    rest = rests.pop() if len(rests) == 1 else None
    if rest == "mean over the rest":
        return "Main effects, mean over the rest"
    return f"Each component on against off, {rest}" if rest else "Comparisons"


def _interactions(found: Sequence[EffectRow]) -> str:
    return "Interactions"


def _shapley(found: Sequence[EffectRow]) -> str:
    return "Shapley values" if all(effect.exact for effect in found) else "Shapley values, estimated"


def _label(effect: EffectRow, group: str) -> str:
    """The component where the heading says the rest; else the contrast in words."""
    if effect.kind not in SINGLE or (effect.rest is not None and group.endswith(effect.rest)):
        return effect.component
    return effect.contrast if effect.rest is None else f"{effect.component}, {effect.rest}"


def _about(effect: EffectRow) -> str:
    metric = effect.metric
    lost = f", {words.count(effect.lost, 'pair')} lost" if effect.lost else ""
    return "\n".join(
        [
            effect.contrast,
            metrics.changed(metric, effect.difference),
            f"95 % interval {metrics.interval(metric, effect.low, effect.high)}",
            f"by itself: Student's {metrics.interval(metric, effect.t_low, effect.t_high)}, "
            f"the bootstrap's {metrics.interval(metric, effect.boot_low, effect.boot_high)}",
            f"p {words.probability(effect.p_holm)}, {words.count(effect.pairs, 'pair')}{lost}",
            *([f"aliased with {words.listed(effect.aliases)}"] if effect.aliases else []),
            effect.verdict,
        ]
    )


def _style_of(verdict: str) -> str:
    return verdict if verdict in STYLES else "open"


def _places(data: Sequence[dict[str, Any]]) -> tuple[list[float], list[tuple[str, float]], int]:
    """Where each row and each heading stands, in pixels from the top, and how high all are."""
    places: list[float] = []
    headings: list[tuple[str, float]] = []
    at, group = 0.0, None
    for row in data:
        if row["group"] != group:
            group = row["group"]
            headings.append((group, at + 16 if headings else at + 8))
            at += HEAD if len(headings) > 1 else HEAD - 8
        places.append(at + 0.72 * ROW)
        at += ROW
    return places, headings, round(at) + 10


def _text(said: str, x: float, y: float, colour: str) -> dict[str, Any]:
    """Text at the left (x = 0) or right (x = 1) edge, its middle at y."""
    side = {"x": x, "xref": "paper", "xanchor": "left" if x == 0 else "right"}
    return {"text": said, "y": y, "font": {"color": colour}, **LABEL, **side}


def _said(row: dict[str, Any], place: float) -> list[dict[str, Any]]:
    """The name of a row, and its difference with the verdict."""
    colour = STYLES[row["verdict"]]["color"] if row["verdict"] in STYLES else MUTED
    found = metrics.difference(row["metric"], row["difference"])
    above = place - 0.42 * ROW
    return [
        _text(escaped(row["label"], 30), 0, above, INK),
        _text(f"{found} <b>{escaped(row['short'])}</b>", 1, above, colour),
    ]


def _bars(rows: Sequence[dict[str, Any]], scale: float) -> dict[str, Any]:
    """The half widths of intervals; none where one end is missing."""
    ends = [(row["difference"], row["low"], row["high"]) for row in rows]
    whole = [None not in (middle, low, high) for middle, low, high in ends]
    return {
        "type": "data",
        "symmetric": False,
        "array": [scale * (high - middle) if ok else 0 for (middle, low, high), ok in zip(ends, whole)],
        "arrayminus": [scale * (middle - low) if ok else 0 for (middle, low, high), ok in zip(ends, whole)],
    }


def _marks(rows: Sequence[dict[str, Any]], places: Sequence[float], style: dict[str, Any], scale: float) -> go.Scatter:
    return go.Scatter(
        x=[None if row["difference"] is None else scale * row["difference"] for row in rows],
        y=list(places),
        error_x={"thickness": 2.5, "width": 0, "color": style["color"], **_bars(rows, scale)},
        mode="markers",
        marker=style,
        hoverinfo="text",
        hovertext=[hover(row["about"]) for row in rows],
    )
