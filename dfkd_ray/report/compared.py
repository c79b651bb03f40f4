"""Several studies on one page: what each answers, what differs in what was asked, their arms and best trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
import pyarrow as pa

from dfkd_ray import metrics
from dfkd_ray.report import crossed, finding, paste, seed_by_seed, standings
from dfkd_ray.report.answer import work
from dfkd_ray.report.asked import asked, experiment
from dfkd_ray.report.blocks import Block, Cell, Heading, Inline, Number, Numbers, Section, Strong, Table, Text
from dfkd_ray.report.chart import Drawn, arm_style, axis, constant, escaped, figure, hover, integer_axis
from dfkd_ray.report.view import Tables
from dfkd_ray.util import words
from dfkd_ray.util.errors import StudyError

BEST = 10  # trials of each study
Studies = Mapping[str, Tables]  # by what each is called here
ROWS = pa.schema(
    [
        ("panel", pa.string()),
        ("metric", pa.string()),
        ("study", pa.string()),
        ("place", pa.int32()),
        ("trial", pa.int32()),
        ("epoch", pa.int32()),
        ("value", pa.float64()),
    ]
)


def read(folders: Sequence[Path]) -> dict[str, Tables]:
    """The studies in these folders; StudyError where one is named twice."""
    found: dict[Path, Tables] = {}
    for folder in folders:
        if folder.resolve() in [other.resolve() for other in found]:
            raise StudyError(f"{folder} is named twice: to compare needs several studies")
        found[folder] = Tables.read(folder)
    names = {folder: str(tables.study.get("study") or folder.name) for folder, tables in found.items()}
    alone = {folder: [*names.values()].count(name) == 1 for folder, name in names.items()}
    return {names[folder] if alone[folder] else str(folder): tables for folder, tables in found.items()}


class BestCurves(Drawn[Studies]):
    """The learning curve of the best trial of each study."""

    title = "The best trial of each study"
    reading = "Each line is the best trial of a study, by that study's own objective."
    empty = "No study has a best trial with a curve yet."
    panels = True

    @staticmethod
    def prepare(tables: Studies) -> pa.Table:
        rows = []
        wanted = dict.fromkeys(
            [*(t.objective.metric for t in tables.values()), *(t.quality.val for t in tables.values())]
        )
        for metric in wanted:
            for place, (name, own) in enumerate(tables.items()):
                trial = own.shown
                common = {"panel": metrics.label(metric), "metric": metric, "study": name, "place": place}
                curve: Mapping[int, float] = {} if trial is None else own.curve(metric).get(trial.number, {})
                number = None if trial is None else trial.number
                rows += [{**common, "trial": number, "epoch": e, "value": v} for e, v in curve.items()]
        return pa.Table.from_pylist(rows, ROWS)

    @staticmethod
    def draw(rows: pa.Table) -> go.Figure:
        data, metric = rows.to_pylist(), constant(rows, "metric")
        lines = []
        for name in dict.fromkeys(row["study"] for row in data):
            own = [row for row in data if row["study"] == name]
            said = [
                f"{name}, trial {r['trial']}\nepoch {r['epoch']}: {metrics.with_unit(metric, r['value'])}" for r in own
            ]
            style = arm_style(own[0]["place"])
            lines.append(
                go.Scatter(
                    x=[row["epoch"] for row in own],
                    y=[row["value"] for row in own],
                    mode="lines+markers" if len(own) < 3 else "lines",
                    line={"color": style["color"], "dash": style["dash"], "width": 2},
                    name=escaped(name, 30),
                    showlegend=True,
                    hoverinfo="text",
                    hovertext=[hover(text) for text in said],
                )
            )
        epochs = rows["epoch"].to_pylist()
        return figure(lines, 400, xaxis=integer_axis("Epoch", epochs), yaxis=axis(constant(rows, "panel"), metric))


def summary(studies: Studies) -> Section:
    """What each study answers, side by side, and who is ahead where one objective is that of all."""
    shown: list[Block] = [Text("Studies side by side", "eyebrow"), Heading(words.listed(list(studies)), 1)]
    shown += [Text(said, "answer") for said in _ahead(studies)]
    for name, tables in studies.items():
        shown += [
            Heading(name, 2),
            Text(" ".join(finding.answers(tables)), "reading"),
            Numbers(_numbers(tables), first=True),
        ]
    return Section("summary", "The answers", None, shown)


def _numbers(tables: Tables) -> list[Number]:
    own = _reached(tables)
    first = [] if own is None else [Number(metrics.with_unit(tables.objective.metric, own[0]), _goal(tables), own[1])]
    return [*first, Number(str(len(tables.all)), "Trials", ""), work(tables)]


def _goal(tables: Tables) -> str:
    return metrics.label(tables.objective.metric)


def _reached(tables: Tables) -> tuple[float, str] | None:
    """The objective of the best trial, or the mean of the best arm, and whose it is."""
    if not tables.is_ablation:
        best = tables.best
        return None if best is None or best.value is None else (best.value, f"best trial: {best.number}")
    for arm in standings.alone(tables)[:1]:
        spread = tables.spread(arm.trials, tables.objective.metric)
        return None if spread.mean is None else (spread.mean, f"best arm: {arm.name}, mean of {spread.n}")
    return None


def _ahead(studies: Studies) -> Iterator[str]:
    goals = {(t.objective.metric, t.objective.mode) for t in studies.values()}
    known = {name: own for name, tables in studies.items() if (own := _reached(tables)) is not None}
    if len(goals) > 1:
        yield "The studies have different objectives, so none is ahead of another."
        return
    if len(known) < 2:
        return
    first = next(iter(studies.values())).objective
    ranked = sorted(known, key=lambda name: -first.sign * known[name][0])
    told = [f"{name} {metrics.with_unit(first.metric, known[name][0])} ({known[name][1]})" for name in ranked]
    apart = metrics.changed(first.metric, abs(known[ranked[0]][0] - known[ranked[1]][0]), signed=False)
    yield (
        f"Ahead is {ranked[0]}, by {apart}: {metrics.inside(first.metric)} {', '.join(told)}. The best of each is "
        "flattered by having been picked, and they share no pairs: read it with what differs below."
    )


def differences(studies: Studies) -> Section:
    """What was asked of each study, a row a fact; what differs is marked."""
    facts = {
        name: {key: str(value) for key, value in (experiment(t) if t.is_ablation else asked(t)).known}
        for name, t in studies.items()
    }
    rows: list[list[Inline | Cell]] = []
    for key in dict.fromkeys(key for own in facts.values() for key in own):
        values = [own.get(key, words.DASH) for own in facts.values()]
        same = len(set(values)) == 1
        rows.append([key if same else Strong(key), *(Cell(value, wide=True) for value in values)])
    told = Text("What is not the same in all studies stands in bold.", "reading")
    table = Table(["Asked", *studies], rows, "What was asked of each study")
    return Section("asked", "What differs", "What was asked", [told, table])


def arms(studies: Studies) -> Section | None:
    """Arms x studies, of ablations that share an arm."""
    named = [arm.name for tables in studies.values() for arm in tables.arms]
    if not all(t.is_ablation for t in studies.values()) or len(set(named)) == len(named):
        return None
    found = crossed.arm_table({Path(name): tables for name, tables in studies.items()})
    head = ["Arm", *(f"{b.title}: {name}" for b in found.blocks for name in (*map(metrics.headed, b.metrics), "n"))]
    rows: list[list[Inline | Cell]] = []
    for name, own in found.rows:
        cells: list[Inline | Cell] = []
        for block, told in zip(found.blocks, own):
            spreads = told or ()
            said = [paste.spread(m, s, "±") for m, s in zip(block.metrics, spreads)] or [words.DASH] * len(
                block.metrics
            )
            means = [s.mean for s in spreads] or [None] * len(block.metrics)
            cells += [Cell(text, mean, number=True) for text, mean in zip(said, means)]
            most = max((s.n for s in spreads), default=None)
            cells.append(Cell(words.number(most), None if most is None else float(most), number=True))
        rows.append([Cell(name), *cells])
    notes = [Text(note, "note") for note in found.notes]
    return Section("arms", "The arms", "The arms", [Table(head, rows, "Arms by studies: mean ± deviation"), *notes])


def trials(studies: Studies) -> Section:
    """The best trials of each study, by its own objective; of a sweep those that nothing keeps from winning."""
    shown: list[Block] = []
    for name, tables in studies.items():
        able = [t for t in tables.complete if tables.is_ablation or t.number in tables.points]
        best = sorted(able, key=lambda t: -tables.objective.sign * (t.value or 0.0))[:BEST]
        rows = [_trial(tables, trial) for trial in best]
        head = ["Trial", *(["Arm", "Seed"] if tables.is_ablation else []), _goal(tables), "Test, last epoch"]
        head += [words.shorten(p.label) for p in tables.parameters]
        told = f"The {len(rows)} best of {seed_by_seed.noun(tables, len(tables.searched))}"
        shown += [Heading(name), Table(head, rows, told)]
    return Section("trials", "The best trials", "The best trials", shown)


def _trial(tables: Tables, trial: Any) -> list[Inline | Cell]:
    tested = trial.final.get(tables.quality.test_last)
    whose = [Cell(trial.arm or ""), Cell(str(trial.pair[0]), float(trial.pair[0]))] if tables.is_ablation else []
    return [
        Cell(str(trial.number), float(trial.number)),
        *whose,
        Cell(metrics.with_unit(tables.objective.metric, trial.value), trial.value, number=True),
        Cell(metrics.with_unit(tables.quality.test_last, tested), tested, number=True),
        *(Cell(words.shorten(words.setting(trial.changes.get(p.path)))) for p in tables.parameters),
    ]
