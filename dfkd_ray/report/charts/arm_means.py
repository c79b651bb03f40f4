"""Arms: every trial as a mark, trials of the same seed joined, and the mean of each arm with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import arms, standings
from dfkd_ray.report.answer import chance, teacher
from dfkd_ray.report.arms import ArmRow
from dfkd_ray.report.chart import (
    ARMS,
    BEST,
    COMPLETE,
    FAINT,
    INK,
    LABEL,
    MUTED,
    Chart,
    axis,
    charts,
    constant,
    escaped,
    figure,
    hover,
)
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words

ROW = 58  # pixels of an arm
MOST = 40  # pairs up to which they are joined
ROWS = pa.schema(
    [
        ("panel", pa.string()),  # the metric in words
        ("metric", pa.string()),
        ("what", pa.string()),  # trial, or mean: of an arm
        ("arm", pa.string()),
        ("label", pa.string()),  # the arm with its twins
        ("place", pa.int32()),  # of the arm, from the top
        ("trial", pa.int32()),
        ("pair", pa.string()),  # seed and draw: what trials of different arms share
        ("value", pa.float64()),
        ("low", pa.float64()),  # Student's 95 % interval of the mean
        ("high", pa.float64()),
        ("said", pa.string()),  # the mean in words
        ("cut", pa.bool_()),  # whether the interval ends where the metric's range does
        ("failed", pa.int32()),
        ("baseline", pa.string()),  # chance and teacher in words
        ("about", pa.string()),
    ]
)


@charts.register("arm_means")
class ArmMeans(Chart):
    section, rank = ARMS, 10
    title = "What each arm reaches"
    reading = (
        "Arms stand by rank. Dots are trials, and a line joins those of one seed; the diamond is the arm's mean with "
        "its 95 % t interval. Differences are told from the pairs: intervals may overlap and still differ."
    )
    empty = "No arm has a complete trial yet."
    panels = True

    @staticmethod
    def applies(tables: Tables) -> bool:
        return tables.is_ablation

    @staticmethod
    def prepare(tables: Tables) -> pa.Table:
        told = [o.metric for o in tables.objectives]
        run = standings.alone(tables)
        rows = []
        for metric in dict.fromkeys([*told, tables.quality.test_last]):
            own = [row for place, arm in enumerate(run) for row in _rows(tables, metric, arm, place)]
            rows += own if any(row["what"] == "trial" for row in own) else []
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        metric, data = constant(rows, "metric"), rows.to_pylist()
        means = [row for row in data if row["what"] == "mean"]
        trials = [row for row in data if row["what"] == "trial"]
        notes = [note for row in means for note in _said(row)]
        return figure(
            [*_trials(trials), *_means([row for row in means if row["value"] is not None])],
            height=ROW * len(means) + 70,
            annotations=notes,
            xaxis=axis(constant(rows, "panel"), metric),
            yaxis={"range": [len(means) - 0.35, -0.55], "visible": False, "fixedrange": True},
            showlegend=False,
        )

    @staticmethod
    def notes(rows: pa.Table) -> list[str]:
        cut = [row["label"] for row in rows.to_pylist() if row["cut"]]
        return [said for said in (constant(rows, "baseline"), metrics.cut(constant(rows, "metric"), cut)) if said]


def _rows(tables: Tables, metric: str, arm: ArmRow, place: int) -> list[dict[str, Any]]:
    """The mean of an arm and its trials."""
    reached = [(trial, found) for trial in arm.trials if (found := tables.reached(trial, metric)) is not None]
    spread = tables.spread(arm.trials, metric)
    common = {
        "panel": metrics.label(metric),
        "metric": metric,
        "arm": arm.name,
        "label": arms.name_with_twins(arm, tables.arms),
        "place": place,
    }
    deviation = "" if spread.deviation is None else f" ± {metrics.difference(metric, spread.deviation, signed=False)}"
    mean = {
        **common,
        "what": "mean",
        "value": spread.mean,
        "low": spread.low,
        "high": spread.high,
        "cut": spread.cut,
        "failed": len(arm.failed),
        "baseline": _baseline(tables),
        "said": f"{metrics.without_unit(metric, spread.mean)}{deviation}, n = {spread.n}",
        "about": f"{arm.name}, mean of {words.count(spread.n, 'trial')}: {metrics.with_unit(metric, spread.mean)}\n"
        f"95 % t interval {metrics.with_unit(metric, spread.low)} to {metrics.with_unit(metric, spread.high)}"
        f"{', cut' if spread.cut else ''}",
    }
    return [mean, *(common | _trial(tables, metric, trial, found) for trial, found in reached)]


def _trial(tables: Tables, metric: str, trial: TrialRow, found: float) -> dict[str, Any]:
    seed, draw = trial.pair
    pair = f"seed {seed}" + (f", draw {draw}" if tables.study.get("draws", 1) != 1 else "")
    said = tables.about(trial, pair, metrics.labelled(metric, found))
    return {"what": "trial", "trial": trial.number, "pair": pair, "value": found, "about": said}


def _baseline(tables: Tables) -> str:
    known = [("chance", chance(tables)), ("the teacher on the test split", teacher(tables))]
    said = [f"{name} {words.percent(v)}" for name, v in known if v is not None]
    return f"To compare: {words.listed(said)}." if said else ""


def _trials(rows: Sequence[dict[str, Any]]) -> list[go.Scatter]:
    """One trace a pair, so that its marks are joined; one for all where there are many pairs."""
    pairs = list(dict.fromkeys(row["pair"] for row in rows))
    groups = [[row for row in rows if row["pair"] == pair] for pair in pairs] if len(pairs) <= MOST else [list(rows)]
    return [
        go.Scatter(
            x=[row["value"] for row in own],
            y=[row["place"] for row in own],
            mode="lines+markers" if len(pairs) <= MOST else "markers",
            line={"color": FAINT, "width": 1},
            marker={"color": COMPLETE, "size": 8, "opacity": 0.75},
            customdata=[row["trial"] for row in own],
            meta="pair",  # the page lifts the line while one of its marks is pointed at
            hoverinfo="text",
            hovertext=[hover(row["about"]) for row in own],
        )
        for own in groups
    ]


def _means(rows: Sequence[dict[str, Any]]) -> list[go.Scatter]:
    known = [(row["value"], row["low"], row["high"]) for row in rows]
    return [
        go.Scatter(
            x=[mean for mean, _, _ in known],
            y=[row["place"] + 0.24 for row in rows],
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [0 if high is None else high - mean for mean, _, high in known],
                "arrayminus": [0 if low is None else mean - low for mean, low, _ in known],
                "thickness": 2,
                "width": 0,
                "color": BEST,
            },
            mode="markers",
            marker={"color": BEST, "symbol": "diamond", "size": 10},
            hoverinfo="text",
            hovertext=[hover(row["about"]) for row in rows],
        )
    ]


def _said(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The name of an arm at the left, its mean at the right, above its marks."""
    failed = f", {row['failed']} failed" if row["failed"] else ""
    at = {"xref": "paper", "y": row["place"] - 0.3, **LABEL}
    return [
        {**at, "text": escaped(row["label"], 30), "x": 0, "xanchor": "left", "font": {"color": INK}},
        {**at, "text": escaped(row["said"] + failed), "x": 1, "xanchor": "right", "font": {"color": MUTED}},
    ]
