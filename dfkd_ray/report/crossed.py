"""Arms x tasks: the arms of several ablations in one table, a block of columns for each study."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dfkd_ray import metrics
from dfkd_ray.report import paste
from dfkd_ray.report.paste import ArmTable, StudyColumns
from dfkd_ray.report.view import Tables, part
from dfkd_ray.util import words
from dfkd_ray.util.errors import StudyError

_SAME = "Mean ± standard deviation over n trials (seeds and draws that the arms of a study share)."


def read(folders: Sequence[Path]) -> dict[Path, Tables]:
    """The ablations in these folders; StudyError where there is none, or where no arm is in two of them."""
    found: dict[Path, Tables] = {}
    for folder in folders:
        if folder.resolve() in [other.resolve() for other in found]:
            raise StudyError(f"{folder} is named twice: a table of arms needs several studies")
        found[folder] = Tables.read(folder)
        if not found[folder].is_ablation:
            raise StudyError(f"{folder} holds a sweep: a table of arms is made of ablations")
    names = [arm.name for tables in found.values() for arm in tables.arms]
    if len(set(names)) == len(names):
        own = (f"{folder} has {words.listed([a.name for a in tables.arms])}" for folder, tables in found.items())
        raise StudyError(f"no arm is in two of these studies: {'; '.join(own)}")
    return found


def arm_table(found: Mapping[Path, Tables]) -> ArmTable:
    """Every arm that some study has, with each study's first objective and test accuracy at the last epoch."""
    titles = _titles(found)
    blocks, columns = [], []
    for folder, tables in found.items():
        block = StudyColumns(paste.with_test_accuracy(tables, [tables.objective.metric]), titles[folder])
        blocks.append(block)
        columns.append(paste.spreads(tables, block))
    names = dict.fromkeys(name for column in columns for name in column)
    rows = tuple((name, tuple(column.get(name) for column in columns)) for name in names)
    return ArmTable(tuple(blocks), rows, tuple(_notes({titles[folder]: tables for folder, tables in found.items()})))


def _titles(found: Mapping[Path, Tables]) -> dict[Path, str]:
    """What stands over the columns: the task, or the study where others have that task, or else the folder."""
    tasks = {folder: _task(tables) for folder, tables in found.items()}
    alone = {folder: task for folder, task in tasks.items() if task and [*tasks.values()].count(task) == 1}
    names = {folder: str(found[folder].study.get("study") or "") for folder in found if folder not in alone}
    named = {folder: name for folder, name in names.items() if name and [*names.values()].count(name) == 1}
    return {folder: alone.get(folder) or named.get(folder) or str(folder) for folder in found}


def _task(tables: Tables) -> str:
    return str(part(tables.note, "task").get("name") or "")


def _notes(found: Mapping[str, Tables]) -> Iterator[str]:
    """What a row is, what failed, and everything beside the task in which the studies differ."""
    yield f"{_SAME} {'; '.join(f'{title}: {_named(tables, title)}' for title, tables in found.items())}."
    for title, tables in found.items():
        yield from (f"{title}: {note}" for note in paste.failed(tables))
    for what, own in _settings(found).items():
        if len(values := dict.fromkeys(own.values())) > 1:
            whose = {value: ", ".join(title for title in own if own[title] == value) for value in values}
            told = [f"{value or 'none'} ({titles})" for value, titles in whose.items()]
            yield f"Not the same in all: {what}: {words.listed(told)}."
    yield from _other_arms(found)


def _named(tables: Tables, title: str) -> str:
    study, task = tables.study.get("study") or "a study", _task(tables)
    return f"{study} on {task}" if task and title != task else str(study)


def _settings(found: Mapping[str, Tables]) -> dict[str, dict[str, str]]:
    """What each study was given: setting -> title -> its value in words, empty where it has none."""
    out: dict[str, dict[str, str]] = {"method": {}, "objective": {}}
    paths = dict.fromkeys(path for tables in found.values() for path in part(tables.study, "fixed"))
    for title, tables in found.items():
        study, goal, fixed = tables.study, tables.objective, part(tables.study, "fixed")
        out["method"][title] = str(study.get("method") or "")
        out["objective"][title] = f"{metrics.inside(goal.metric)}, {goal.mode}, at its {goal.at or 'last'} epoch"
        for path in paths:
            told = words.setting(fixed[path]) if path in fixed else "not fixed"
            out.setdefault(f"fixed {path}", {})[title] = told
        for what, value in _budget(tables).items():
            out.setdefault(what, {})[title] = value
    return out


def _budget(tables: Tables) -> dict[str, str]:
    study, seeds = tables.study, tables.ablation.get("seeds")
    tune, search = part(study, "tune").get("trials"), part(study, "search")
    spent = {key: sorted({t.final[key] for t in tables.complete if key in t.final}) for key in metrics.SPENT}
    return {
        "seeds": ", ".join(map(str, seeds)) if isinstance(seeds, list) else "",
        "draws": str(study.get("draws") or 1),
        "tuning trials of each arm": str(tune or 0),
        "searched": ", ".join(f"{path} {words.setting(domain)}" for path, domain in search.items()) or "nothing",
        **{metrics.inside(key): _range(own) for key, own in spent.items()},
    }


def _range(values: list[float]) -> str:
    return " to ".join(dict.fromkeys(words.number(round(value)) for value in values[:1] + values[-1:]))


def _other_arms(found: Mapping[str, Tables]) -> Iterator[str]:
    """Arms that are called alike and make other changes."""
    changes: dict[str, dict[str, Mapping[str, Any]]] = {}
    for title, tables in found.items():
        for arm in tables.arms:
            changes.setdefault(arm.name, {})[title] = arm.changes
    for name, own in changes.items():
        first, *others = own.values()
        if any(other != first for other in others):
            told = (f"{words.setting(dict(each)) if each else 'none'} ({title})" for title, each in own.items())
            yield f"The arm {name} makes other changes: {'; '.join(told)}."
