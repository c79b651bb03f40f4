"""The penultimate features of student and teacher in the plane: figure 6 of DFKD-FGVC."""

from __future__ import annotations

from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray.report.chart import ARM_COLOURS, FAINT, Drawn, escaped, figure, hover
from dfkd_ray.report.evaluation.view import EvaluationTables
from dfkd_ray.util import words

SYMBOLS = ("circle", "x", "diamond-open")
MOST = len(ARM_COLOURS) * len(SYMBOLS)  # classes that can be told apart
FEW = len(ARM_COLOURS)  # that are, where there are more than these
OTHERS = "other classes"
ROWS = pa.schema(
    [
        ("panel", pa.string()),
        ("x", pa.float64()),
        ("y", pa.float64()),
        ("name", pa.string()),  # of the class
        ("place", pa.int32()),  # of its colour; null: one of the others
        ("about", pa.string()),
        ("classes", pa.int32()),  # of the task
    ]
)


class Plane(Drawn[EvaluationTables]):
    """The teacher first: it is what the student should come to look like."""

    title = "Features in the plane"
    reading = (
        "Each mark is an image, placed by t-SNE of what the network's last layer reads; colour and shape are its "
        "class. Near is near; distances between groups, and the axes, mean nothing."
    )
    empty = "No features were drawn."
    panels = True

    @staticmethod
    def prepare(tables: EvaluationTables) -> pa.Table:
        places = _places(tables)
        data = tables.evaluation.to_pydict()
        rows = []
        for network in reversed(tables.networks):
            columns = zip(*(data[name] for name in (f"{network}_x", f"{network}_y", "label", network)))
            for x, y, label, named in columns:
                if x is not None and y is not None:
                    name = tables.classes[label]
                    about = name if named == label else f"{name}\nnamed {tables.classes[named]}"
                    at = {"x": x, "y": y, "name": name, "place": places.get(label), "about": about}
                    rows.append({"panel": network.capitalize(), "classes": len(tables.classes), **at})
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
        for row in rows.to_pylist():
            key = (-1, OTHERS) if row["place"] is None else (row["place"], row["name"])
            groups.setdefault(key, []).append(row)
        blank = {"visible": False}
        return figure(
            [_marks(name, place, groups[place, name]) for place, name in sorted(groups)],
            height=500,
            xaxis=blank,
            yaxis={**blank, "scaleanchor": "x", "constrain": "domain"},
            legend={"itemsizing": "constant"},
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        images = words.count(rows.num_rows // len({*rows["panel"].to_pylist()}), "image")
        of = rows["classes"][0].as_py()
        told = f", in colour the {FEW} of {of} classes that are confused most" if of > MOST else ""
        return [f"{images}, of every class by its share{told}. Each network has a plane of its own."]


def _places(tables: EvaluationTables) -> dict[int, int]:
    """The colour of each class; of many, only those of the most confused pairs have one, then the first ones."""
    classes = range(len(tables.classes))
    if len(classes) <= MOST:
        return {each: each for each in classes}
    paired = [pair[side] for pair in tables.confused for side in ("label", "named")]
    return {each: place for place, each in enumerate(list(dict.fromkeys([*paired, *classes]))[:FEW])}


def _marks(name: str, place: int, own: list[dict[str, Any]]) -> go.Scatter:
    turn, colour = divmod(max(place, 0), len(ARM_COLOURS))
    style = {"color": FAINT if place < 0 else ARM_COLOURS[colour], "symbol": SYMBOLS[turn]}
    return go.Scatter(
        x=[round(row["x"], 2) for row in own],
        y=[round(row["y"], 2) for row in own],
        mode="markers",
        marker={**style, "size": 5 if place < 0 else 6, "opacity": 0.85},
        name=escaped(name, 24),
        hoverinfo="text",
        hovertext=[hover(row["about"]) for row in own],
    )
