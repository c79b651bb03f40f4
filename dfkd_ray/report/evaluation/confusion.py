"""The confusion matrix of the student: what is named what, and how often."""

from __future__ import annotations

import math
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray.report.chart import Drawn, escaped, figure, hover
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import words

COUNTED, NAMED, MOST = 16, 40, 200  # classes: up to which cells have numbers, axes have names, all are drawn
ROWS = pa.schema(
    [
        ("row", pa.int32()),  # places on the axes
        ("column", pa.int32()),
        ("label", pa.string()),
        ("named", pa.string()),
        ("images", pa.int64()),
        ("share", pa.float64()),  # of the images of the class
        ("of", pa.int32()),  # classes of the task
    ]
)
TICKS = (0.01, 0.1, 0.25, 0.5, 1.0)  # shares; their square roots are what is coloured


class Confusion(Drawn[EvaluationTables]):
    """Rows and columns in the order of the classes: where names are sorted, families of classes stand together."""

    title = "Confusion matrix"
    reading = (
        "A row is what an image shows, a column what the student names it: off the diagonal is what it gets wrong. "
        "Colour is the share of the row's images, by its square root, so that rare confusions are seen."
    )
    empty = "There is no image."

    @staticmethod
    def prepare(tables: EvaluationTables) -> pa.Table:
        chosen = _drawn(tables)
        place, found = {each: i for i, each in enumerate(chosen)}, tables.confusions
        cells = {(c, c): 0 for c in chosen} | {pair: n for pair, n in found.items() if {*pair} <= place.keys()}
        rows = [
            {
                "row": place[label],
                "column": place[named],
                "label": tables.classes[label],
                "named": tables.classes[named],
                "images": images,
                "share": float(images / max(tables.counts[label], 1)),
                "of": len(tables.classes),
            }
            for (label, named), images in sorted(cells.items())
        ]
        return pa.Table.from_pylist(rows if found else [], ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        data = rows.to_pylist()
        names = [r["label"] for r in sorted(data, key=lambda r: r["row"]) if r["row"] == r["column"]]
        count = len(names)
        heat: list[list[float | None]] = [[None] * count for _ in names]
        said, counts = ([[""] * count for _ in names] for _ in range(2))
        for r in data:
            if r["images"]:
                heat[r["row"]][r["column"]] = math.sqrt(r["share"])
                said[r["row"]][r["column"]] = hover(_said(r))
                counts[r["row"]][r["column"]] = str(r["images"])
        numbered: dict[str, Any] = {"text": counts, "texttemplate": "%{text}"} if count <= COUNTED else {}
        gap = 2 if count <= NAMED else 0
        style = {"coloraxis": "coloraxis", "xgap": gap, "ygap": gap, **numbered}
        trace = go.Heatmap(z=heat, hovertext=said, hoverinfo="text", hoverongaps=False, **style)
        row = 34 if count <= COUNTED else 20
        bar = {"tickvals": [math.sqrt(t) for t in TICKS], "ticktext": [f"{t:.0%}" for t in TICKS], "thickness": 12}
        ends, plain = [-0.5, count - 0.5], {"showgrid": False, "showline": False, "zeroline": False, **_ticks(names)}
        return figure(
            [trace],
            height=max(320, min(760, row * count + 150)) if count <= NAMED else 760,
            coloraxis={"cmin": 0, "cmax": 1, "colorbar": bar},
            xaxis={**plain, "range": ends, "title": {"text": "is named"}, "autotickangles": [0, 45, 90]},
            yaxis={**plain, "range": ends[::-1], "title": {"text": "shows"}},
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        of, drawn = rows["of"][0].as_py(), max(rows["row"].to_pylist()) + 1
        said = [f"Drawn are the {drawn} of {of} classes of which most images are confused."] if drawn < of else []
        return said + (["Point at a cell for the names of its classes; drag to enlarge."] if drawn > NAMED else [])


def _drawn(tables: EvaluationTables) -> list[int]:
    """All classes; of very many those that take most part in confusions, in their order."""
    part = dict.fromkeys(range(len(tables.classes)), 0)
    for (label, named), images in tables.confusions.items():
        if label != named:
            part[label] += images
            part[named] += images
    return sorted(sorted(part, key=lambda each: -part[each])[:MOST])


def _ticks(names: list[str]) -> dict[str, Any]:
    if len(names) > NAMED:
        return {"showticklabels": False}
    return {"tickvals": list(range(len(names))), "ticktext": [escaped(name, 24) for name in names]}


def _said(row: dict[str, Any]) -> str:
    images = words.count(row["images"], "image")
    return f"{row['label']}\nnamed {row['named']}\n{images}, {words.percent(row['share'])} of the class"
