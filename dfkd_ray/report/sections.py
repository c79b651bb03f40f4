"""The sections of the page that are words, tables and pictures; charts have `page.block`."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow.compute as pc

from dfkd_ray import metrics
from dfkd_ray.report import finding, published
from dfkd_ray.report.answer import Scores, chosen_by, numbers, ruler, sentence
from dfkd_ray.report.asked import asked, experiment
from dfkd_ray.report.markup import FORMATS, Cell, Html, image, join, paragraph, section, table, tag
from dfkd_ray.report.settings import Parameter, is_number
from dfkd_ray.report.trial import Trial
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words

_PICTURES = 8  # of the best trial, spread over its epochs


def summary(tables: Tables) -> Html:
    """The answer: of an ablation what was told, of a sweep the best trial."""
    study, ablation = tables.study, tables.is_ablation
    name, question = study.get("study"), study.get("question")
    above = " · ".join(str(item) for item in (name, study.get("method"), part(tables.note, "task").get("name")) if item)
    running = tables.note.get("finished") is False
    claims = published.sentence(tables)
    parts = [
        paragraph(above, "eyebrow") if above and question else Html(),
        tag("h1", question or name or "A study"),
        paragraph(finding.sentence(tables) if ablation else sentence(tables), "answer"),
        paragraph(claims, "answer") if claims else Html(),
        paragraph("This study has not finished: the page shows what has ended so far.", "note warning")
        if running
        else Html(),
        finding.numbers(tables) if ablation else numbers(tables),
        Html() if ablation else ruler(tables),
        tag("h2", "What was asked", class_="small"),
        experiment(tables) if ablation else asked(tables),
    ]
    return tag("section", join(parts, "\n"), id="summary")


def best(tables: Tables) -> Html:
    title, trial = "The best settings", tables.best
    if trial is None:
        return section("best", title, tag("div", "No trial is complete, so no settings are best.", class_="empty"))
    shown = [_setting(p, trial) for p in tables.parameters]
    scores = Scores(trial, tables)
    last, top = (f" (epoch {e})" if e is not None else "" for e in (scores.last_epoch, scores.best_epoch))
    many = len(tables.objectives) > 1
    front = (
        f"{words.count(len(tables.front), 'trial')} on the Pareto front; shown is the best by {chosen_by(tables)}."
        if many
        else ""
    )
    parts = [
        paragraph(front, "note") if front else Html(),
        table(["Setting", "Value", "Searched"], shown, f"Settings of trial {trial.number}") if shown else Html(),
        table(["", f"Last epoch{last}", f"Best epoch{top}"], _reached(scores), f"What trial {trial.number} reached"),
        paragraph(_honesty(tables, trial), "note"),
        _again(tables, trial),
    ]
    return section("best", title, *parts)


def _setting(parameter: Parameter, trial: Trial) -> list[object]:
    known = parameter.path in trial.changes
    value = words.setting(trial.changes[parameter.path]) if known else words.DASH
    warning = {"lower": " (best at the lower edge)", "upper": " (best at the upper edge)"}
    edge = parameter.edge(trial.changes[parameter.path]) if known else None
    return [label(parameter), tag("strong", value), f"{parameter.domain}{warning.get(edge or '', '')}"]


def _reached(scores: Scores) -> list[list[object]]:
    """The objectives, validation and test accuracy, at the last and at the best epoch."""
    goals = [objective.metric for objective in scores.tables.objectives]
    epochs = (scores.last_epoch, scores.best_epoch)
    found = {m: [scores.at(m, epoch) for epoch in epochs] for m in dict.fromkeys([*goals, metrics.VAL_ACCURACY])}
    rows = {metrics.label(m): (m, own) for m, own in found.items() if m in goals or own != [None, None]}
    tested = [scores.trial.final.get(name) for name in (metrics.TEST_LAST, metrics.TEST_BEST)]
    rows["Test accuracy"] = (metrics.TEST_LAST, tested)
    return [[name, *(Cell(metrics.measured(m, v), number=True) for v in own)] for name, (m, own) in rows.items()]


def _honesty(tables: Tables, trial: Trial) -> str:
    found = trial.final.get(metrics.VAL_MEDIAN)
    said = f" The median validation accuracy of its last five epochs is {metrics.measured(metrics.VAL_MEDIAN, found)}."
    median = "" if found is None else said
    at = f" at its {tables.objective.at} epoch" if tables.objective.at in ("last", "best") else ""
    tested = metrics.TEST_LAST in trial.final or metrics.TEST_BEST in trial.final
    once = "The test split chose nothing: it was evaluated once, after the trial had ended."
    test = once if tested else "Its accuracy on the test split was not recorded."
    return (
        f"The trial was chosen by {chosen_by(tables)}{at}, its best epoch by the same metric: what is the best of many "
        f"is flattered by chance.{median} {test}"
    )


def _again(tables: Tables, trial: Trial) -> Html:
    """The command that teaches one student with these settings."""
    study = tables.study
    method, task = study.get("method"), part(tables.note, "task").get("name") or study.get("task")
    if not isinstance(method, str) or not isinstance(task, str):
        return Html()
    changes = {**part(study, "fixed"), **trial.changes}
    sets = [f"--set {shlex.quote(f'{path}={_yaml_value(value)}')}" for path, value in changes.items()]
    command = " \\\n    ".join([f"dfkd-ray distill {shlex.quote(method)} --task {shlex.quote(task)}", *sets])
    return tag(
        "details", join((tag("summary", "Teach one student with these settings"), tag("pre", tag("code", command))))
    )


def _yaml_value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def label(parameter: Parameter) -> Html:
    """The short name of a setting; its whole path shows when one points at it."""
    breakable = join(re.split(r"(?<=[.])", words.shorten(parameter.label)), "<wbr>")
    return tag("span", breakable, class_="path", title=parameter.path)


def pictures(tables: Tables) -> Html:
    title, trial = "The images it was taught on", tables.best
    rows = [] if trial is None else tables.images.filter(pc.equal(tables.images["trial"], trial.number)).to_pylist()
    usable = sorted((r for r in rows if r["picture"] and r["format"] in FORMATS), key=lambda r: r["epoch"])
    if trial is None or not usable:
        return section(
            "images", title, tag("div", "No picture of the best trial's synthetic images was kept.", class_="empty")
        )
    count = min(len(usable), _PICTURES)
    chosen = [usable[round(i * (len(usable) - 1) / max(count - 1, 1))] for i in range(count)]
    told = "What the source of the best trial had synthesised by the epochs named; no real image went into them."
    if (far := tables.reached(trial, metrics.OUTSIDE)) is not None:
        share = metrics.measured(metrics.OUTSIDE, far)
        told += f" At the end {share} of their values were darker than black or lighter than white."
    return section(
        "images", title, paragraph(told, "reading"), tag("div", join(map(_picture, chosen)), class_="pictures")
    )


def _picture(row: Mapping[str, Any]) -> Html:
    grid = image(row["format"], row["picture"], f"A grid of synthetic images after epoch {row['epoch']}")
    return tag("figure", join((grid, tag("figcaption", f"epoch {row['epoch']}"))))


def trials(tables: Tables) -> Html:
    if not tables.all:
        return section("trials", "All trials", tag("div", "No trial has ended yet.", class_="empty"))
    whose = _whose(tables)
    goals = [metrics.label(o.metric) for o in tables.objectives]
    head = ["Trial", *whose, "State", *goals, "Test, last epoch", "Epochs", "Time"]
    rows = [_trial(t, tables, whose) for t in tables.all]
    place = next(
        (i for i, t in enumerate(tables.all) if tables.best is not None and t.number == tables.best.number), None
    )
    return section(
        "trials",
        "All trials",
        paragraph(
            "Click on a column's name to sort by it. Stopped trials show the objective where they stopped.", "reading"
        ),
        table([*head, *map(label, tables.parameters)], rows, "Every trial of the study", place),
    )


def _trial(trial: Trial, tables: Tables, whose: Mapping[str, Callable[[Trial], object]]) -> list[object]:
    tested = trial.final.get(metrics.TEST_LAST)
    goals = [_number(v, metrics.measured(o.metric, v)) for o, v in zip(tables.objectives, trial.values)]
    chosen = [
        _chosen(trial.changes[p.path]) if p.path in trial.changes else Cell(words.DASH) for p in tables.parameters
    ]
    return [
        Cell(str(trial.number), float(trial.number)),
        *(say(trial) for say in whose.values()),
        tag("span", trial.state, class_=f"state {trial.state}"),
        *goals,
        _number(tested, metrics.measured(metrics.TEST_LAST, tested)),
        _number(trial.row["epochs"], words.number(trial.row["epochs"])),
        _number(trial.row["seconds"], words.duration(trial.row["seconds"])),
        *chosen,
    ]


def _whose(tables: Tables) -> dict[str, Callable[[Trial], object]]:
    """Columns that say whose trial it is: its arm, seed and draw, and its place in the arm's own search."""
    columns: dict[str, Callable[[Trial], object]] = {}
    if any(t.arm for t in tables.all):
        columns["Arm"] = lambda t: t.arm or ""
    if tables.is_ablation:
        columns["Seed"] = lambda t: _number(t.pair[0], str(t.pair[0]))
    if any(t.pair[1] for t in tables.all):
        columns["Draw"] = lambda t: _number(t.pair[1], str(t.pair[1]))
    if any(t.tuning for t in tables.all):
        columns["Tuning"] = lambda t: _number(t.row["tuning"], words.number(t.row["tuning"]))
    return columns


def _number(value: float | None, shown: str) -> Cell:
    return Cell(shown, None if value is None else float(value), number=True)


def _chosen(value: Any) -> Cell:
    said = words.shorten(words.setting(value))
    return Cell(said, float(value), number=True) if is_number(value) else Cell(said)
