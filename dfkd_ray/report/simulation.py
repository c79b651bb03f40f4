"""A simulation: its table (a row a case and cost: what it has found by then), what is said of it, and its page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report.blocks import Block, Cell, Facts, Heading, Inline, Section, Table, Text
from dfkd_ray.report.chart import Drawn, arm_style, axis, constant, escaped, figure, hover
from dfkd_ray.report.page import Figures, block, document
from dfkd_ray.util import tables, words
from dfkd_ray.util.errors import StudyError

SCHEMA = pa.schema(
    [
        ("trials", pa.int32()),  # what may be spent, in trials that nobody stops
        ("slots", pa.int32()),
        ("seeds", pa.int32()),  # of a trial, whose value is their mean
        ("case", pa.string()),  # sampler + stopper
        ("at", pa.string()),  # cost: when so much is spent; trials: when so many trials have ended
        ("cost", pa.float64()),  # in trials that nobody stops
        ("repetitions", pa.int32()),
        ("found", pa.float64()),  # the surrogate's mean of the best trial; null: some study has none complete
        ("low", pa.float64()),  # its 95 % interval over repetitions
        ("high", pa.float64()),
        ("flattered", pa.float64()),  # by how much the best trial's own value is better than its mean
        ("difference", pa.float64()),  # to the first case of that budget and those slots, with its interval
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
        ("ended", pa.float64()),  # trials
        ("stopped", pa.float64()),  # of them
        ("clock", pa.float64()),  # seconds since the start
    ]
)
DRAWN = pa.schema(
    [("panel", pa.string()), ("metric", pa.string()), ("place", pa.int32()), ("last", pa.bool_()), *SCHEMA]
)
ENOUGH = 0.3  # of the variance between trials, explained of those that were not seen
NOTED = {  # in the metadata
    *("study", "metric", "mode", "recorded", "others", "folders", "refused", "repetitions"),
    *("explained", "noise", "best", "median", "full"),
}
HEAD = ("spent", "slots", "case", "found", "to the first", "trials", "clock", "flattered", "after the study's trials")


def table(rows: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any]) -> pa.Table:
    """Rows as the table `simulation`; `metadata`: all that is NOTED."""
    note = json.dumps({"schema": tables.SCHEMA_VERSION, **metadata}, default=str).encode()
    return pa.Table.from_pylist(list(rows), SCHEMA.with_metadata({tables.METADATA_KEY: note}))


def read(path: Path) -> pa.Table:
    """The table again; StudyError where it is missing, damaged, or none that `table` makes."""
    found = tables.read(path)
    if not found.schema.equals(SCHEMA) or not tables.metadata(found).keys() >= NOTED:
        raise StudyError(f"{path}: not a table of a simulation: write it again with dfkd-ray simulate")
    return found


def told(simulated: pa.Table) -> Iterator[tuple[str, ...]]:
    """A row a case, in words: what it has found when all is spent."""
    metric = _metric(simulated)
    by_trials = {_key(row): row for row in simulated.to_pylist() if row["at"] == "trials"}
    for row in _ends(simulated):
        then = by_trials[_key(row)]
        yield (
            words.count(row["trials"], "trial"),
            str(row["slots"]),
            row["case"],
            _between(metric, row),
            _apart(metric, row),
            f"{row['ended']:.1f}, {row['stopped']:.1f} stopped",
            words.duration(row["clock"]),
            metrics.changed(metric, row["flattered"]),
            f"{metrics.with_unit(metric, then['found'])} for {then['cost']:.1f}",
        )


def answers(simulated: pa.Table) -> Iterator[str]:
    """Which case finds most for each budget, and whether it is told from the first one."""
    metric, sign = _metric(simulated), -1 if tables.metadata(simulated)["mode"] == "min" else 1
    for panel in dict.fromkeys(_panel(row) for row in _ends(simulated) if row["found"] is not None):
        own = [row for row in _ends(simulated) if _panel(row) == panel]
        best = max((row for row in own if row["found"] is not None), key=lambda row: sign * row["found"])
        if best is own[0]:
            yield f"{panel}: none is ahead of {best['case']}, which finds {_between(metric, best)}."
            continue
        apart = (best["difference_low"] or 0) * (best["difference_high"] or 0) > 0
        said, by = "ahead of" if apart else "not told from", f"by {_apart(metric, best)}"
        if own[0]["found"] is None:
            said, by = "not compared with", "which has no complete trial in some study"
        yield f"{panel}: {best['case']} finds most, {_between(metric, best)}; {said} {own[0]['case']}, {by}."


def warnings(simulated: pa.Table) -> list[str]:
    """Where the record says too little of its settings for anything to be chosen by it."""
    explained = tables.metadata(simulated)["explained"]
    if explained >= ENOUGH:
        return []
    known, least = words.count(tables.metadata(simulated)["recorded"], "recorded trial"), words.percent(ENOUGH)
    return [
        f"The settings of {known} explain {words.percent(max(0.0, explained))} of the variance of a trial that was not "
        f"seen, less than {least}: most of this landscape is chance. Choose nothing by it; record more trials."
    ]


def facts(simulated: pa.Table) -> list[tuple[str, object]]:
    """What the simulation stands on, from its metadata."""
    note = tables.metadata(simulated)
    metric, others = note["metric"], note["others"]
    return [
        ("study", note["study"]),
        ("recorded", f"{words.count(note['recorded'], 'complete trial')} in {words.listed(note['folders'])}"),
        ("left out", f"{words.count(others, 'trial')} not complete, changed or of a confirmation" if others else None),
        ("explained", f"{words.percent(note['explained'])} of their variance, of trials that the forest never saw"),
        ("left over", f"{metrics.changed(metric, note['noise'], signed=False)}, standard deviation"),
        ("best of the space", metrics.with_unit(metric, note["best"])),
        ("middle of the space", metrics.with_unit(metric, note["median"])),
        ("a trial", words.duration(note["full"])),
        ("repetitions", words.number(note["repetitions"])),
        ("not simulated", words.listed([f"{name}: {why}" for name, why in note["refused"].items()])),
    ]


class FoundForCost(Drawn[pa.Table]):
    """What each case has found against what was spent."""

    title = "The best found, against what was spent"
    reading = (
        "Each line is a sampler with a stopper: the mean, over simulated studies, of what its best complete trial "
        "comes to without noise. Bars at the end are 95 % intervals."
    )
    empty = "No case has a complete trial in every study."
    panels = True

    @staticmethod
    def prepare(simulated: pa.Table) -> pa.Table:
        rows = [row for row in simulated.to_pylist() if row["at"] == "cost" and row["found"] is not None]
        places = {case: place for place, case in enumerate(dict.fromkeys(row["case"] for row in rows))}
        more = {"metric": _metric(simulated)}
        found = [
            row | more | {"panel": _panel(row), "place": places[row["case"]], "last": row["cost"] == row["trials"]}
            for row in rows
        ]
        return pa.Table.from_pylist(found, DRAWN)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        metric, traces = constant(rows, "metric"), []
        for place in dict.fromkeys(rows["place"].to_pylist()):
            own = [row for row in rows.to_pylist() if row["place"] == place]
            traces += [_line(metric, own), *(_end(row) for row in own if row["last"] and row["low"] is not None)]
        spent = axis("Spent, in trials that nobody stops", zeroline=False)
        return figure(traces, 420, xaxis=spent, yaxis=axis(metrics.label(metric), metric))


def _line(metric: str, own: Sequence[Mapping[str, Any]]) -> go.Scatter:
    said = [f"{row['case']}\nfor {row['cost']:.1f} trials: {_between(metric, row)}" for row in own]
    style = arm_style(own[0]["place"])
    return go.Scatter(
        x=[row["cost"] for row in own],
        y=[row["found"] for row in own],
        mode="lines",
        line={"color": style["color"], "dash": style["dash"], "width": 2},
        name=escaped(own[0]["case"], 40),
        showlegend=True,
        hoverinfo="text",
        hovertext=[hover(text) for text in said],
    )


def _end(row: Mapping[str, Any]) -> go.Scatter:
    """The interval when all is spent."""
    colour, half = arm_style(row["place"])["color"], (row["high"] - row["low"]) / 2
    return go.Scatter(
        x=[row["cost"]],
        y=[row["found"]],
        error_y={"type": "data", "array": [half], "color": colour, "thickness": 1.5, "width": 4},
        mode="markers",
        marker={"color": colour, "size": 5},
        showlegend=False,
        hoverinfo="skip",
    )


def page(simulated: pa.Table) -> str:
    """The whole page of a simulation."""
    note = tables.metadata(simulated)
    figures: Figures = {}
    shown: list[Block] = [
        Text("A simulation", "eyebrow"),
        Heading(f"Which sampler and stopper find most, and for what? {note['study']}", 1),
        *(Text(said, "answer") for said in answers(simulated)),
        *(Text(said, "warning") for said in warnings(simulated)),
        Text(CAVEAT, "reading"),
    ]
    chart = block("found_for_cost", FoundForCost, simulated, figures)
    rows: list[list[Inline | Cell]] = [[*map(Cell, row)] for row in told(simulated)]
    sections = [
        Section("summary", "The answer", None, shown),
        Section("cost", "Found for its cost", "Found for its cost", [chart] if chart is not None else []),
        Section("cases", "The cases", "The cases", [Table(HEAD, rows, "When all is spent")]),
        Section("record", "The record", "The record", [Facts(facts(simulated))]),
    ]
    return document(f"{note['study']}: simulation", sections, figures, ["simulation"])


CAVEAT = (
    "Intervals are over simulated studies alone: they say nothing of how near the surrogate is to real trials. "
    "What it does not explain counts as noise, so a sampler with a model has less to learn here than in truth."
)


def _ends(simulated: pa.Table) -> list[dict[str, Any]]:
    return [row for row in simulated.to_pylist() if row["at"] == "cost" and row["cost"] == row["trials"]]


def _metric(simulated: pa.Table) -> str:
    return str(tables.metadata(simulated)["metric"])


def _key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["trials"], row["slots"], row["case"]


def _panel(row: Mapping[str, Any]) -> str:
    slots = "" if row["slots"] == 1 else f", {words.count(row['slots'], 'slot')}"
    return f"For what {words.count(row['trials'], 'trial')} cost{slots}"


def _between(metric: str, row: Mapping[str, Any]) -> str:
    """`84.0 % [81.5 %, 86.4 %]`"""
    value = metrics.with_unit(metric, row["found"])
    if row["low"] is None:
        return value
    return f"{value} [{metrics.without_unit(metric, row['low'])}, {metrics.without_unit(metric, row['high'])}]"


def _apart(metric: str, row: Mapping[str, Any]) -> str:
    value, low, high = (row[key] for key in ("difference", "difference_low", "difference_high"))
    if value is None or (value == 0 and not low and not high):
        return words.DASH
    ends = [f"[{metrics.difference(metric, low)}, {metrics.difference(metric, high)}]"] if low is not None else []
    return " ".join([metrics.difference(metric, value), *ends, metrics.points(metric)]).rstrip()
