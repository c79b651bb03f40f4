"""How well a metric that needs no real image ranks the trials that validation ranks: Kendall's tau-b.

tau-b = (concordant - discordant) / sqrt((pairs untied in x) (pairs untied in y)), Kendall 1945. Its 95 % interval is a
percentile bootstrap over trials. A resampled trial makes no pair with its own copy: such pairs are ties in both.
All pairs of MOST trials at most are compared, of more a random sample, always the same.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import plotly.graph_objects as go
import pyarrow as pa
from numpy.typing import NDArray

from dfkd_ray import metrics
from dfkd_ray.report.chart import COMPLETE, INK, MUTED, SELECTION, Chart, axis, charts, constant, escaped, figure, hover
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

FEWEST = 4  # trials: with three, tau has four possible values
MOST = 500  # trials: the interval of so many is +-0.06 at its widest
RESAMPLES = 2000
COMPLETE_ONES, ALIKE = "complete trials, each at its last epoch", "all trials at the last epoch that every one reached"
ROWS = pa.schema(
    [
        ("metric", pa.string()),
        ("label", pa.string()),
        ("truth", pa.string()),  # what validation ranks by
        ("compared", pa.string()),  # which trials, and at which epoch
        ("epoch", pa.int32()),  # the common one; null for complete trials
        ("trials", pa.int32()),  # that have both metrics there, or MOST of them
        ("known", pa.int32()),  # that have both metrics there
        (
            "tau",
            pa.float64(),
        ),  # +1: ranks as validation does, -1: the other way round; the sign of the metric is accounted for
        ("low", pa.float64()),  # 95 % interval
        ("high", pa.float64()),
    ]
)


@charts.register("ranking")
class Ranking(Chart):
    section, rank = SELECTION, 10
    title = "How well data-free metrics rank the trials"
    reading = (
        "1: the metric puts the trials in the order in which validation puts them, 0: no relation, -1: the reverse; "
        "bars are 95 % intervals."
    )
    empty = f"This needs at least {FEWEST} validated trials with a data-free metric at comparable epochs."

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        truth = tables.curve(tables.quality.val)
        complete = {t.number: truth.last(t.number)[0] for t in tables.searched if t.complete and t.number in truth}
        alike = [t.number for t in tables.searched if t.state in ("complete", "pruned") and t.number in truth]
        epoch = min((truth.last(n)[0] for n in alike), default=0)
        groups: list[tuple[str, int | None, dict[int, int]]] = [(COMPLETE_ONES, None, complete)]
        if len(alike) > len(complete):
            groups.append((ALIKE, epoch, dict.fromkeys(alike, epoch)))
        rows: list[dict[str, Any]] = []
        for metric in (name for name in tables.metrics if metrics.find(name).data_free):
            curve = tables.curve(metric)
            for compared, common, at in groups:
                values = ((curve.at(n, e), truth.at(n, e)) for n, e in at.items())
                both = [(x, y) for x, y in values if x is not None and y is not None]
                if len(both) < FEWEST:
                    continue
                sample = both if len(both) <= MOST else random.Random(0).sample(both, MOST)
                sign = 1 if metrics.find(metric).better == "max" else -1
                tau, low, high = agreement([sign * x for x, _ in sample], [y for _, y in sample])
                if tau is None:  # one of the two is the same in every trial
                    continue
                names = {"metric": metric, "label": metrics.label(metric), "truth": tables.quality.val}
                what = {**names, "compared": compared, "epoch": common}
                count = {"trials": len(sample), "known": len(both)}
                rows.append({**what, **count, "tau": tau, "low": low, "high": high})
        order = {row["metric"]: -row["tau"] for row in reversed(rows)}
        return pa.Table.from_pylist(sorted(rows, key=lambda row: order[row["metric"]]), ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        data = rows.to_pylist()
        places: dict[str, int] = {row["metric"]: i for i, row in enumerate({r["metric"]: r for r in data}.values())}
        traces = []
        for compared, colour, symbol, shift in (
            (COMPLETE_ONES, COMPLETE, "circle", 0.0),
            (ALIKE, MUTED, "diamond-open", 0.24),
        ):
            own = [row for row in data if row["compared"] == compared]
            if not own:
                continue
            reach = {"array": [r["high"] - r["tau"] for r in own], "arrayminus": [r["tau"] - r["low"] for r in own]}
            epoch = "" if own[0]["epoch"] is None else f" (epoch {own[0]['epoch']})"
            traces.append(
                go.Scatter(
                    x=[r["tau"] for r in own],
                    y=[places[r["metric"]] + shift for r in own],
                    error_x={
                        "type": "data",
                        "symmetric": False,
                        "thickness": 1.5,
                        "width": 4,
                        "color": colour,
                        **reach,
                    },
                    mode="markers",
                    marker={"color": colour, "symbol": symbol, "size": 10},
                    name=compared.partition(",")[0].partition(" at ")[0] + epoch,
                    hoverinfo="text",
                    hovertext=[hover(_said(r)) for r in own],
                )
            )
        names = [
            {"text": escaped(row["label"], 60), "x": 0, "xref": "paper", "xanchor": "left", "y": place - 0.2}
            for row, place in zip({r["metric"]: r for r in data}.values(), places.values())
        ]
        label, truth = {"yanchor": "bottom", "showarrow": False, "font": {"color": INK}}, constant(rows, "truth")
        return figure(
            traces,
            height=110 + 62 * len(places),
            annotations=[{**name, **label} for name in names],
            xaxis=axis(f"Kendall's tau-b with {metrics.inside(truth)}", range=[-1.05, 1.05], zeroline=True, dtick=0.5),
            yaxis={"range": [len(places) - 0.4, -0.75], "visible": False},
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        counts: dict[str, set[int]] = {}
        for row in rows.to_pylist():
            counts.setdefault(row["compared"] + (f", epoch {row['epoch']}" if row["epoch"] else ""), set()).add(
                row["trials"]
            )
        said = [f"{name}: n = {words.listed([str(n) for n in sorted(ns)], 'or')}" for name, ns in counts.items()]
        flat = " An interval of no width says that these few trials agree, not that all would."
        flat = flat if any(row["low"] == row["high"] for row in rows.to_pylist()) else ""
        fair = " Stopped trials were never compared with complete ones at different epochs." if len(counts) > 1 else ""
        known = max(rows["known"].to_pylist())
        part = (
            f" Of {words.number(known)} trials a random {MOST}, always the same, are compared." if known > MOST else ""
        )
        return [f"{'; '.join(said).capitalize()}.{part}{fair} The search saw neither comparison.{flat}"]


def agreement(x: list[float], y: list[float]) -> tuple[float | None, float | None, float | None]:
    """Kendall's tau-b and its 95 % percentile bootstrap interval; None where it is not defined (all tied)."""
    a, b = (np.sign(np.subtract.outer(v, v)) for v in (np.asarray(x), np.asarray(y)))
    counts = np.random.default_rng(0).multinomial(len(x), np.full(len(x), 1 / len(x)), RESAMPLES).astype(float)
    tau = _tau(a, b, np.ones((1, len(x))))[0]
    resampled = _tau(a, b, counts)
    resampled = resampled[np.isfinite(resampled)]
    if not np.isfinite(tau) or not len(resampled):
        return None, None, None
    low, high = np.quantile(resampled, [0.025, 0.975])
    return float(tau), float(low), float(high)


def _tau(a: NDArray[np.float64], b: NDArray[np.float64], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """tau-b of each row of `counts` (how often each trial is drawn), from the signs of all differences."""

    def pairs(signs: NDArray[np.float64]) -> NDArray[np.float64]:
        total: NDArray[np.float64] = ((counts @ signs) * counts).sum(1)
        return total

    with np.errstate(invalid="ignore", divide="ignore"):
        tau: NDArray[np.float64] = pairs(a * b) / np.sqrt(pairs(a * a) * pairs(b * b))
    return tau


def _said(row: dict[str, Any]) -> str:
    tau, low, high = (f"{row[key]:.2f}" for key in ("tau", "low", "high"))
    return f"{row['label']}\ntau-b {tau}, 95 % interval {low} to {high}\nn = {row['trials']}"
