"""The IoU of each class, from the worst to the best."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray.report.chart import Drawn
from dfkd_ray.report.evaluation.by_class import ROWS, drawn
from dfkd_ray.report.evaluation.dense_view import DenseTables
from dfkd_ray.report.evaluation.view import NETWORKS


class ByArea(Drawn[DenseTables]):
    """Classes that are nowhere, and that nobody tells, are left out."""

    title = "IoU by class"
    reading = (
        "The area that target and network both give a class, over that which one of them does. Classes are sorted from "
        "the one that the student knows worst to the one that it knows best."
    )
    empty = "There is no position."

    @staticmethod
    def applies(tables: DenseTables) -> bool:
        return bool(tables.classes)

    @staticmethod
    def prepare(tables: DenseTables) -> pa.Table:
        none: list[float | None] = [None] * len(tables.classes)
        shares = {name: tables.by_class(name) if name in tables.networks else none for name in NETWORKS}
        rows = [
            {"name": name, "images": int(positions), "student": student, "teacher": teacher}
            for name, positions, student, teacher in zip(tables.classes, tables.counts, *shares.values())
            if student is not None
        ]
        rows.sort(key=lambda row: (row["student"], row["teacher"] or 0.0))
        return pa.Table.from_pylist([{"place": i, **row} for i, row in enumerate(rows)], ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        return drawn(rows, "IoU", "position")
