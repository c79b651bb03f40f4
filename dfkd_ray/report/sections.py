"""The sections of the page that are words, tables and pictures; charts have `page.block`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.report import finding, fronts, guard, published, seed_by_seed, thinning
from dfkd_ray.report.answer import Scores, chosen_by, nothing, numbers, ruler
from dfkd_ray.report.asked import asked, experiment
from dfkd_ray.report.blocks import (
    FORMATS,
    Block,
    Captioned,
    Cell,
    Empty,
    Folded,
    Gallery,
    Heading,
    Inline,
    Label,
    Listing,
    Picture,
    Section,
    Strong,
    Table,
    Text,
    TrialTable,
)
from dfkd_ray.report.details import command
from dfkd_ray.report.settings import Parameter
from dfkd_ray.report.trial import TrialRow
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words

_PICTURES = 8  # of the best trial, spread over its epochs


def summary(tables: Tables) -> Section:
    """The answer: of an ablation what was told, of a sweep the best trial."""
    study, ablation = tables.study, tables.is_ablation
    name, question = study.get("study"), study.get("question")
    above = " · ".join(str(item) for item in (name, study.get("method"), part(tables.note, "task").get("name")) if item)
    line, claims = ruler(tables), published.sentence(tables)
    running = Text("This study has not finished: the page shows what has ended so far.", "warning")
    shown: list[Block] = [Text(above, "eyebrow")] if above and question else []
    shown += [Heading(str(question or name or "A study"), 1)]
    shown += [Text(said, "answer") for said in finding.answers(tables)]
    shown += [Text(claims, "answer")] if claims else []
    shown += [running] if tables.note.get("finished") is False else []
    shown += [*changed(tables), *guard.warnings(tables)]
    shown += [finding.numbers(tables) if ablation else numbers(tables)]
    shown += [line] if line is not None and not ablation else []
    shown += [Heading("What was asked", 2), experiment(tables) if ablation else asked(tables)]
    return Section("summary", "The answer", None, shown)


def changed(tables: Tables) -> list[Text]:
    """A line where trials were run with other inputs than the study was begun with; nothing where none was."""
    marks = {trial.number: trial.changed for trial in tables.all if trial.changed}
    if not marks:
        return []
    count = words.count(len(marks), "trial")
    what = words.listed(list(dict.fromkeys(marks.values())))
    whose = "They are marked among all trials" if len(marks) > 1 else "It is marked among all trials"
    return [
        Text(f"Not one experiment: {count} of {len(tables.all)} ran with other inputs: {what}. {whose}.", "warning")
    ]


def best(tables: Tables) -> Section:
    title, trial = "The best settings", tables.best
    if trial is None:
        return Section("best", title, title, [*fronts.blocks(tables), Empty(nothing(tables))])
    shown = [_setting(p, trial) for p in tables.parameters]
    scores = Scores(next(each for each in tables.all if each.number == trial.number), tables)  # with its first seed
    last, top = (f" (epoch {e})" if e is not None else "" for e in (scores.last_epoch, scores.best_epoch))
    parts = fronts.blocks(tables)
    parts += [Table(["Setting", "Value", "Searched"], shown, f"Settings of trial {trial.number}")] if shown else []
    reached = ["Reached", f"Last epoch{last}", f"Best epoch{top}"]
    first = f", with its first seed ({trial.pair[0]})" if trial.runs else ""
    parts += seed_by_seed.blocks(tables, trial)
    parts += [Table(reached, _reached(scores), f"What trial {trial.number} reached{first}")]
    parts += [Text(_honesty(tables, trial), "note"), *again(tables, trial)]
    return Section("best", title, title, parts)


def _setting(parameter: Parameter, trial: TrialRow) -> list[Inline]:
    known = parameter.path in trial.changes
    value = words.setting(trial.changes[parameter.path]) if known else words.DASH
    warning = {"lower": " (best at the lower edge)", "upper": " (best at the upper edge)"}
    edge = parameter.edge(trial.changes[parameter.path]) if known else None
    return [label(parameter), Strong(value), f"{parameter.domain}{warning.get(edge or '', '')}"]


def _reached(scores: Scores) -> list[list[Inline | Cell]]:
    """The objectives, validation and test accuracy, at the last and at the best epoch."""
    goals = [objective.metric for objective in scores.tables.objectives]
    epochs, quality = (scores.last_epoch, scores.best_epoch), scores.tables.quality
    found = {m: [scores.at(m, epoch) for epoch in epochs] for m in dict.fromkeys([*goals, quality.val])}
    rows = {metrics.label(m): (m, own) for m, own in found.items() if m in goals or own != [None, None]}
    tested = [scores.trial.final.get(name) for name in (quality.test_last, quality.test_best)]
    rows[f"Test {quality.said}"] = (quality.test_last, tested)
    return [[name, *(Cell(metrics.with_unit(m, v), number=True) for v in own)] for name, (m, own) in rows.items()]


def _honesty(tables: Tables, trial: TrialRow) -> str:
    quality = tables.quality
    found = trial.final.get(quality.median)
    value = metrics.with_unit(quality.median, found)
    said = f" The median validation {quality.said} of its last five epochs is {value}."
    median = "" if found is None else said
    at = f" at its {tables.objective.at} epoch" if tables.objective.at in ("last", "best") else ""
    flattered = "what is the best of many is flattered by chance."
    if tables.confirmed.get("complete"):
        flattered = "these are its numbers in the search, which flatter; what held on fresh seeds stands above."
    mean = " as the mean over its seeds" if trial.runs else ""
    chosen = f"chosen by {chosen_by(tables)}{at}{mean}, its best epoch by the same metric"
    if len(tables.objectives) > 1:
        chosen = f"taken as {fronts.taken(tables)}, its best epoch by {chosen_by(tables)}"
    return f"The trial was {chosen}: {flattered}{median} {tested(trial, quality)}"


def tested(trial: TrialRow, quality: metrics.Quality) -> str:
    """What the test split was for."""
    if quality.test_last in trial.final or quality.test_best in trial.final:
        return "The test split chose nothing: it was evaluated once, after the trial had ended."
    return f"Its {quality.said} on the test split was not recorded."


def again(tables: Tables, trial: TrialRow) -> list[Folded]:
    """The command that teaches one student with these settings."""
    told = command(tables, trial)
    return [] if told is None else [Folded("Teach one student with these settings", [Listing(told)])]


def label(parameter: Parameter) -> Label:
    return Label(words.shorten(parameter.label), parameter.path)


def pictures(tables: Tables) -> Section:
    name, title, trial = "The images", "The images it was taught on", tables.shown
    whose = "its source" if tables.run else "the source of the best trial"
    rows = [] if trial is None else tables.pictures(trial)
    usable = sorted((r for r in rows if r["picture"] and r["format"] in FORMATS), key=lambda r: r["epoch"])
    if trial is None or not usable:
        return Section("images", name, title, [Empty(f"No picture of what {whose} synthesised was kept.")])
    count = min(len(usable), _PICTURES)
    chosen = [usable[round(i * (len(usable) - 1) / max(count - 1, 1))] for i in range(count)]
    told = f"What {whose} had synthesised by the epochs named; no real image went into them."
    if (far := tables.reached(trial, metrics.OUTSIDE)) is not None:
        share = metrics.with_unit(metrics.OUTSIDE, far)
        told += f" At the end {share} of their values were darker than black or lighter than white."
    return Section("images", name, title, [Text(told, "reading"), Gallery("pictures", [*map(_picture, chosen)])])


def _picture(row: Mapping[str, Any]) -> Captioned:
    grid = Picture(row["format"], row["picture"], f"A grid of synthetic images after epoch {row['epoch']}")
    return Captioned(grid, f"epoch {row['epoch']}")


def trials(tables: Tables) -> Section:
    title = "All trials"
    if not tables.all:
        return Section("trials", title, title, [Empty("No trial has ended yet.")])
    told = (
        "Click on a column's name to sort by it, on a trial's number to open it. Trials that are found, or chosen in a "
        "chart, stand out in the charts. Stopped trials show the objective where they stopped."
    )
    count = min(len(tables.all), thinning.LISTED)
    if count < len(tables.all):
        told += f" These are the {words.number(count)} best of {words.number(len(tables.all))} trials; all of them are"
        told += " in trials.arrow (pyarrow.feather.read_table reads it)."
    return Section("trials", title, title, [Text(told, "reading"), TrialTable("Every trial of the study")])
