"""Slices: the objective against each setting by itself, and whether the best trial stands at the edge of its range."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import thinning
from dfkd_ray.report.chart import (
    SETTINGS,
    Chart,
    axis,
    by_role,
    charts,
    constant,
    figure,
    jitter,
    place_axis,
    points,
    role,
)
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the setting's label
        ("path", pa.string()),
        ("kind", pa.string()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("options", pa.list_(pa.string())),
        ("metric", pa.string()),
        ("trial", pa.int32()),
        ("role", pa.string()),
        ("x", pa.float64()),  # the value, or its option's index; trials without this setting have no row
        ("said", pa.string()),  # the value as text
        ("y", pa.float64()),
        ("edge", pa.string()),  # lower or upper if this is the best trial and its value is at that end of the range
        ("about", pa.string()),
    ]
)


@charts.register("slices")
class Slices(Chart):
    section, rank = SETTINGS, 30
    title = "Each setting by itself"
    reading = (
        "Each mark is a trial: its place in the range of one setting, and what it reached; other settings vary too."
    )
    empty = "No trial with a value of the objective has a searched setting."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        metric = tables.objective.metric
        found = [trial for trial in tables.searched if trial.value is not None]
        drawn = thinning.drawn(found, tables, thinning.PANEL)
        rows = []
        for parameter in tables.parameters:
            for trial in drawn:
                chosen = trial.changes.get(parameter.path)
                x = parameter.place(chosen) if parameter.path in trial.changes else None
                if x is None:
                    continue
                seen_as = role(tables, trial.number, trial.state)
                rows.append(
                    {
                        "panel": parameter.label,
                        "path": parameter.path,
                        "kind": parameter.kind,
                        "low": parameter.low,
                        "high": parameter.high,
                        "options": [words.setting(option) for option in parameter.options],
                        "metric": metric,
                        "trial": trial.number,
                        "role": seen_as,
                        "x": x,
                        "said": words.setting(chosen),
                        "y": trial.value,
                        "edge": parameter.edge(chosen) if seen_as == "best" else None,
                        "about": tables.about(trial, metrics.labelled(metric, trial.value)),
                    }
                )
        return thinning.part_of(pa.Table.from_pylist(rows, ROWS), len(drawn), len(found))

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        kind, metric = constant(rows, "kind"), constant(rows, "metric")
        marks = [points(name, jitter(own["x"], own["trial"], kind), own["y"], own) for name, own in by_role(rows)]
        domain = place_axis("", kind, constant(rows, "low"), constant(rows, "high"), constant(rows, "options"))
        return figure(marks, height=250, xaxis=domain, yaxis=axis("", metric), showlegend=False)

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        said = metrics.label(constant(rows, "metric"))
        return [f"From bottom to top: {said}. The star is the best trial; open circles were stopped early."]

    @staticmethod
    def warnings(rows: pa.Table) -> list[str]:
        at_edge = [row for row in rows.to_pylist() if row["edge"]]
        return [
            f"The best trial has {row['panel']} = {row['said']}, at the {row['edge']} edge of its range: "
            "a wider range may hold a better value."
            for row in at_edge
        ]
