"""Parallel coordinates: an axis a setting, a line a trial. The axes lie, so that names have room, on a phone too."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import thinning
from dfkd_ray.report.chart import (
    BEST,
    FAINT,
    INK,
    MUTED,
    PAPER,
    PRUNED,
    RULE,
    SCALE,
    SETTINGS,
    Chart,
    charts,
    escaped,
    figure,
    hover,
    linked,
    role,
)
from dfkd_ray.report.settings import Parameter
from dfkd_ray.report.trial import Goal
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

ABSENT = -0.07  # where a line passes an axis whose setting the trial does not have
BRUSHED = "axes"  # tells the page that what is chosen on two axes has to be on both
_CROWD = 40  # with more trials than this the poorer ones are drawn fainter
_ROOM = 9  # with more options than this only the first and the last are named
ROWS = pa.schema(
    [
        ("axis", pa.int32()),  # from 0, top to bottom; the last one is the objective
        ("label", pa.string()),
        ("ticks", pa.list_(pa.string())),
        ("places", pa.list_(pa.float64())),  # of the ticks, 0 to 1
        ("trial", pa.int32()),
        ("role", pa.string()),
        ("share", pa.float64()),  # where the trial stands on this axis, 0 to 1; null if it does not have the setting
        ("score", pa.float64()),  # 0 for the poorest complete trial to 1 for the best; null if not complete
        ("about", pa.string()),
    ]
)


@charts.register("parallel")
class Parallel(Chart):
    section, rank = SETTINGS, 20
    title = "All settings at once"
    reading = (
        "Each line is a trial on its way through its settings to what it reached (last axis); strong lines did well."
    )
    empty = "Fewer than two trials with searched settings have a value of the objective."

    @staticmethod
    def applies(tables: Tables) -> bool:
        return not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        shown = [t for t in tables.searched if t.value is not None]
        if len(shown) < 2 or not tables.parameters:
            return ROWS.empty_table()
        every = [t.value for t in shown if t.value is not None]
        ends, scores = (min(every), max(every)), _scores(tables)
        drawn = thinning.drawn(shown, tables, thinning.LINES)
        rows = []
        for trial in drawn:
            common = {
                "trial": trial.number,
                "role": role(tables, trial.number, trial.state),
                "score": scores.get(trial.number),
                "about": tables.about(trial, f"{metrics.with_unit(tables.objective.metric, trial.value)}"),
            }
            for index, parameter in enumerate(tables.parameters):
                here = parameter.path in trial.changes
                share = parameter.share(trial.changes[parameter.path]) if here else None
                rows.append({"axis": index, "share": share, **_setting_axis(parameter), **common})
            share = _between(ends, trial.value)
            rows.append(
                {"axis": len(tables.parameters), "share": share, **_goal_axis(tables.objective, ends), **common}
            )
        return thinning.part_of(pa.Table.from_pylist(rows, ROWS), len(drawn), len(shown))

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        by_trial: dict[int, list[dict[str, Any]]] = {}
        for row in rows.to_pylist():
            by_trial.setdefault(row["trial"], []).append(row)
        order = sorted(
            by_trial.values(),
            key=lambda own: (own[0]["role"] == "best", -1.0 if own[0]["score"] is None else own[0]["score"]),
        )
        first = order[0]
        absent = any(row["share"] is None for own in order for row in own)
        count = len(first)
        lines = [
            {
                "type": "line",
                "x0": 0,
                "x1": 1,
                "y0": r["axis"],
                "y1": r["axis"],
                "layer": "below",
                "line": {"color": RULE, "width": 1},
            }
            for r in first
        ]
        alike = itertools.groupby(order, lambda own: _style(own[0]["role"], own[0]["score"], len(order) > _CROWD))
        return figure(
            [_lines(list(trials), style) for style, trials in alike],
            dragmode="select",
            selectdirection="d",
            meta=BRUSHED,
            height=60 + 76 * count,
            shapes=lines,
            annotations=[note for row in first for note in _names(row)],
            xaxis={"range": [ABSENT - 0.02 if absent else -0.01, 1.01], "visible": False, "fixedrange": True},
            yaxis={"range": [count - 0.5, -0.5], "visible": False, "fixedrange": True},
            showlegend=False,
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        absent = any(share is None for share in rows["share"].to_pylist())
        left = (
            ["A line left of an axis: the trial does not have that setting (it depends on another one)."]
            if absent
            else []
        )
        brush = "A box drawn on an axis chooses trials (with shift one more, on another axis); a double click frees."
        return [f"The orange line is the best trial; grey ones were stopped early. {brush}", *left]


def _style(role_: str, score: float | None, crowded: bool) -> dict[str, Any]:
    """The line of a trial: the colour and strength of what it reached, in as many steps as the scale has colours."""
    if role_ == "best":
        return {"color": BEST, "width": 3}
    if score is None:  # stopped early
        return {"color": FAINT, "width": 1} if crowded else {"color": PRUNED, "width": 1, "dash": "dot"}
    step = round(score * (len(SCALE) - 1))
    return {"color": SCALE[step], "width": 0.5 + step / (len(SCALE) - 1) if crowded else 1.5}


def _lines(trials: Sequence[Sequence[Mapping[str, Any]]], style: Mapping[str, Any]) -> go.Scatter:
    """Trials of one style as one line with a gap between trials: 200 of them stay quick to draw."""
    x: list[float | None] = []
    y: list[int | None] = []
    said: list[str] = []
    whose: list[int | None] = []
    for own in trials:
        gap = [None] if x else []
        x += [*gap, *(ABSENT if row["share"] is None else row["share"] for row in own)]
        y += [*gap, *(row["axis"] for row in own)]
        said += [*("" for _ in gap), *[hover(own[0]["about"])] * len(own)]
        whose += [*gap, *[own[0]["trial"]] * len(own)]
    return go.Scatter(
        x=x,
        y=y,
        mode="lines+markers",
        line=style,
        marker={"size": 6 if style["color"] == BEST else 4, "color": style["color"]},
        hoverinfo="text",
        hovertext=said,
        **linked("pruned" if style["color"] in (FAINT, PRUNED) else "complete", whose),
    )


def _names(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The axis's name above its line, its ticks under it."""
    common = {"y": row["axis"], "showarrow": False}
    name = {
        "text": escaped(row["label"]),
        "x": 0,
        "xanchor": "left",
        "yshift": 15,
        "font": {"color": INK},
        "bgcolor": PAPER,
    }
    ticks = [
        {
            "text": escaped(text, max(4, 54 // len(row["ticks"]))),
            "x": place,
            "xanchor": "left" if place == 0 else "right" if place == 1 else "center",
            "yshift": -14,
            "bgcolor": PAPER,
            "font": {"color": MUTED, "size": 11},
            **common,
        }
        for text, place in zip(row["ticks"], row["places"])
    ]
    return [{**name, **common}, *ticks]


def _setting_axis(parameter: Parameter) -> dict[str, Any]:
    if parameter.numeric:
        return {
            "label": parameter.label,
            "ticks": list(map(words.setting, (parameter.low, parameter.high))),
            "places": [0, 1],
        }
    options: Sequence[Any] = parameter.options
    named = options if len(options) <= _ROOM else [options[0], options[-1]]
    return {
        "label": parameter.label,
        "ticks": list(map(words.setting, named)),
        "places": [parameter.share(o) for o in named],
    }


def _goal_axis(objective: Goal, ends: tuple[float, float]) -> dict[str, Any]:
    """More is to the right, whichever way is better."""
    return {
        "label": metrics.label(objective.metric),
        "ticks": [metrics.with_unit(objective.metric, v) for v in ends],
        "places": [0, 1],
    }


def _scores(tables: Tables) -> dict[int, float]:
    """Where each complete trial stands between the poorest and the best of them."""
    sign = tables.objective.sign
    every = [sign * (trial.value or 0.0) for trial in tables.complete] or [0.0]
    ends = (min(every), max(every))
    return {t.number: _between(ends, sign * t.value) for t in tables.searched if t.complete and t.value is not None}


def _between(ends: tuple[float, float], at: float | None) -> float:
    return 0.5 if at is None or ends[0] == ends[1] else min(max((at - ends[0]) / (ends[1] - ends[0]), 0.0), 1.0)
