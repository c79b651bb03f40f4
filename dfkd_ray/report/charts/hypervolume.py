"""How the front of several objectives has grown over the trials."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import fronts, thinning
from dfkd_ray.report.chart import (
    SEARCH,
    Chart,
    axis,
    by_role,
    charts,
    figure,
    integer_axis,
    points,
    role,
    staircase,
)
from dfkd_ray.report.view import Tables
from dfkd_ray.stats import hypervolume
from dfkd_ray.util import words

ROWS = pa.schema(
    [
        ("trial", pa.int32()),
        ("volume", pa.float64()),  # the share of the box that all complete trials until then dominate
        ("role", pa.string()),
        ("box", pa.string()),  # in words
        ("about", pa.string()),
    ]
)


@charts.register("hypervolume")
class Hypervolume(Chart):
    section, rank = SEARCH, 31
    title = "Hypervolume"
    reading = (
        "The share of a box, from a reference point to the ideal point, that the trials until then dominate: the line "
        "rises where a trial has moved the front, and lies flat where none has."
    )
    empty = "No trial that may win is complete with a value of each objective."

    @staticmethod
    def applies(tables: Tables) -> bool:
        return len(tables.objectives) > 1 and not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        gained, box = hypervolume.gained(tables.points), fronts.reference(tables)
        found = [trial for trial in tables.complete if trial.number in gained]
        moved = [n for n, before in zip(gained, [0.0, *gained.values()]) if gained[n] > before]
        drawn = thinning.drawn(found, tables, thinning.MARKS, moved[-thinning.MARKS :])
        rows = [
            {
                "trial": trial.number,
                "volume": gained[trial.number],
                "role": role(tables, trial.number, trial.state),
                "box": box,
                "about": tables.about(
                    trial,
                    f"Hypervolume: {words.percent(gained[trial.number])}",
                    *(metrics.labelled(o.metric, v) for o, v in zip(tables.objectives, trial.values)),
                ),
            }
            for trial in drawn
        ]
        return thinning.part_of(pa.Table.from_pylist(rows, ROWS), len(drawn), len(found))

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        trials, volumes = rows["trial"].to_pylist(), rows["volume"].to_pylist()
        line = staircase(trials, volumes, "hypervolume")
        marks = [points(name, own["trial"], own["volume"], own) for name, own in by_role(rows)]
        share = axis("Hypervolume, share of the box", tickformat=".3~p")
        return figure([line, *marks], xaxis=integer_axis("Trial", trials), yaxis=share)

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        return [rows["box"][0].as_py()]
