"""Parameter importance, as the sweep has estimated it (the page computes none of its own)."""

from __future__ import annotations

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report.chart import COMPLETE, INK, SETTINGS, Chart, charts, escaped, figure, hover
from dfkd_ray.report.view import Tables, part

FEW = 20  # trials under which an importance is little more than a hint
ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the objective in words
        ("path", pa.string()),
        ("label", pa.string()),
        ("importance", pa.float64()),
        ("evaluator", pa.string()),
        ("trials", pa.int32()),  # that did not fail: an evaluator can use no more
    ]
)


@charts.register("importance")
class Importance(Chart):
    section, rank = SETTINGS, 10
    title = "Which settings matter"
    reading = "The longer the bar, the more of the difference between trials goes with that setting."
    empty = "Too few trials have ended to estimate how much each setting matters."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return not tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        record = part(tables.note, "importance")
        labels = {p.path: p.label for p in tables.parameters}
        rows = [
            {
                "panel": metrics.label(metric),
                "path": path,
                "label": labels.get(path, path),
                "importance": float(share),
                "evaluator": str(record.get("evaluator") or "an evaluator that is not recorded"),
                "trials": sum(t.state in ("complete", "pruned") for t in tables.searched),
            }
            for metric, shares in tables.importance.items()
            for path, share in sorted(shares.items(), key=lambda item: -item[1])
        ]
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        shares = rows["importance"].to_pylist()
        places = list(range(len(shares)))
        bars = go.Bar(
            x=shares,
            y=places,
            orientation="h",
            width=0.26,
            marker={"color": COMPLETE},
            hoverinfo="text",
            hovertext=[hover(f"{p}\n{s:.3f}") for p, s in zip(rows["path"].to_pylist(), shares)],
        )
        names = [
            {
                "text": f"{escaped(label)}  <b>{share:.2f}</b>",
                "x": 0,
                "xref": "paper",
                "y": place - 0.16,
                "xanchor": "left",
                "yanchor": "bottom",
                "showarrow": False,
                "font": {"color": INK},
            }
            for label, share, place in zip(rows["label"].to_pylist(), shares, places)
        ]
        return figure(
            [bars],
            height=30 + 46 * len(places),
            annotations=names,
            xaxis={"visible": False, "rangemode": "tozero", "fixedrange": True},
            yaxis={"range": [len(places) - 0.5, -0.75], "visible": False, "fixedrange": True},
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        first = rows.slice(0, 1).to_pylist()[0]
        few = f" With fewer than {FEW} trials it is a hint, not a finding." if first["trials"] < FEW else ""
        return [f"An estimate, not a measurement: {first['evaluator']}.{few}"]
