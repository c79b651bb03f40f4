"""Two-way interactions of components as a matrix, with the main effects on its diagonal: all on one scale."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import effects
from dfkd_ray.report.chart import (
    EFFECTS,
    FAINT,
    HELPS,
    HURTS,
    INK,
    MUTED,
    Chart,
    charts,
    constant,
    escaped,
    figure,
    hover,
)
from dfkd_ray.report.effects import EffectRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

JOIN = " x "
ROWS = pa.schema(
    [
        ("metric", pa.string()),
        ("row", pa.string()),
        ("column", pa.string()),
        ("component", pa.string()),  # of one, or of a pair: `mhad x sfcl`
        ("difference", pa.float64()),
        ("better", pa.float64()),  # the difference, turned where less is better
        ("short", pa.string()),
        ("told", pa.bool_()),
        ("aliases", pa.list_(pa.string())),
        ("about", pa.string()),
    ]
)


@charts.register("matrix")
class Matrix(Chart):
    section, rank = EFFECTS, 20
    title = "Which components work together"
    reading = (
        "Off the diagonal: how much more (blue) or less (magenta) two components do together than their effects add up "
        "to. On it: each component's main effect, on the same scale."
    )
    empty = "No interaction could be estimated."

    @staticmethod
    def applies(tables: Tables) -> bool:
        return bool(effects.told(tables, tables.objective.metric, "interaction"))

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        objective = tables.objective
        pairs = {e.component: e for e in effects.told(tables, objective.metric, "interaction")}
        mains = effects.told(tables, objective.metric, "main")
        every = list(dict.fromkeys(effect.component for effect in mains))
        names = [name for name in every if any(_pair(name, other, pairs) for other in every)]
        alone = {e.component: e for e in mains}
        rows = []
        for i, row in enumerate(names):
            for column in names[: i + 1]:
                effect = alone.get(row) if row == column else _pair(column, row, pairs)
                if effect is not None:
                    rows.append(_row(effect, row, column, objective.sign))
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        data = rows.to_pylist()
        names = list(dict.fromkeys(row["row"] for row in data))
        cells = {(row["row"], row["column"]): row for row in data}
        grid = [[cells.get((row, column)) for column in names] for row in names]
        reach = max((abs(row["better"]) for row in data if row["better"] is not None), default=0.0) or 1.0
        places = list(range(len(names)))
        heat = go.Heatmap(
            z=[[cell["better"] if cell else None for cell in line] for line in grid],
            x=places,
            y=places,
            text=[[hover(cell["about"]) if cell else "" for cell in line] for line in grid],
            hoverinfo="text",
            hoverongaps=False,
            colorscale=[[0, HURTS], [0.5, FAINT], [1, HELPS]],
            zmin=-reach,
            zmax=reach,
            showscale=False,
            opacity=0.55,
            xgap=3,
            ygap=3,
        )
        said = [note for row in data for note in _said(row, names)]
        ticks = {"tickvals": places, "ticktext": [escaped(name, 14) for name in names], "fixedrange": True}
        ends = [-0.5, len(names) - 0.5]
        return figure(
            [heat],
            height=70 + 64 * len(names),
            annotations=said,
            xaxis={**ticks, "range": ends, "showgrid": False, "showline": False, "zeroline": False},
            yaxis={**ticks, "range": ends[::-1], "showgrid": False, "zeroline": False},
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        unit = metrics.points(constant(rows, "metric"))
        said = [f"Differences in {metrics.inside(constant(rows, 'metric'))}{f', {unit}' if unit else ''}."]
        small = {row["component"]: [a for a in row["aliases"] if a.count(JOIN) < 2] for row in rows.to_pylist()}
        aliased = [f"{name} from {words.listed(own, 'or')}" for name, own in small.items() if own]
        if aliased:
            said.append(f"This design cannot tell {words.listed(aliased)}: each number is their sum.")
        return said


def _pair(a: str, b: str, pairs: Mapping[str, EffectRow]) -> EffectRow | None:
    return pairs.get(f"{a}{JOIN}{b}") or pairs.get(f"{b}{JOIN}{a}")


def _row(effect: EffectRow, row: str, column: str, sign: int) -> dict[str, Any]:
    interval = metrics.interval(effect.metric, effect.low, effect.high)
    return {
        "metric": effect.metric,
        "row": row,
        "column": column,
        "component": effect.component,
        "difference": effect.difference,
        "better": None if effect.difference is None else sign * effect.difference,
        "short": effect.short,
        "told": effect.told,
        "aliases": list(effect.aliases),
        "about": f"{effect.component}\n{metrics.changed(effect.metric, effect.difference)}\n"
        f"95 % interval {interval}\n{effect.verdict}",
    }


def _said(row: dict[str, Any], names: Sequence[str]) -> list[dict[str, Any]]:
    """What stands in a cell: the difference, and under it the verdict."""
    found = metrics.difference(row["metric"], row["difference"])
    at = {"x": names.index(row["column"]), "y": names.index(row["row"]), "showarrow": False}
    strong = f"<b>{found}</b>" if row["told"] else found
    short = row["short"] if row["told"] else "not told"
    return [
        {**at, "text": strong, "yshift": 8, "font": {"color": INK}},
        {**at, "text": escaped(short), "yshift": -10, "font": {"color": INK if row["told"] else MUTED, "size": 11}},
    ]
