"""A study that is gone on with as something else than it was begun: by an edited file, by a larger budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dfkd_ray.methods import config
from dfkd_ray.runs import preparing
from dfkd_ray.runs.distillation import Distillation
from dfkd_ray.runs.experiment import experiment, renamed
from dfkd_ray.study import Study
from dfkd_ray.study.overrides import Overrides
from dfkd_ray.tune import growing
from dfkd_ray.tune.borrowed import Borrowed, borrow
from dfkd_ray.tune.copies import refresh
from dfkd_ray.tune.growing import Amendment
from dfkd_ray.tune.history import History, read_history
from dfkd_ray.tune.ledger import NAME, Record, read_records
from dfkd_ray.tune.options import Options
from dfkd_ray.util import store, words

Edits = Callable[[History], Amendment | None]  # of the study as its ledger has it; None: it stays as it is


def holding(folder: Path) -> History | None:
    """The study that a folder holds; None where it holds none that has got any further than its first record."""
    refresh(folder)
    there = (folder / NAME).exists() and len(read_records(folder / NAME)[0]) > 1
    return read_history(folder) if there else None


def by_file(folder: Path, study: Study, work: Distillation) -> Edits:
    """What a study's file changes in the one that is in the folder."""
    methods = {name: config.plain(method) for name, method in work.methods.items()}
    place = words.typed(store.place_of(folder))
    way_on = (
        f"name another folder with --out, or go on with what it holds: dfkd-ray resume {place} "
        f"(or start afresh with --fresh, which moves it aside)"
    )
    return lambda history: growing.amended(folder, history, study, methods, way_on)


def by_budget(folder: Path, said: Overrides | None) -> Edits:
    """What a budget that is said changes."""
    if said is None or (said.trials, said.hours) == (None, None):
        return lambda history: None
    return lambda history: growing.amended(folder, history, growing.longer(folder, history, said), history.methods)


def borrowing(
    study: Study, reuse: Sequence[Path], task: Mapping[str, Any], work: Distillation, known: Sequence[Record] = ()
) -> Borrowed:
    """What a sweep takes of earlier studies, see tune/borrowed.py; an ablation takes over whole trials alone."""
    if study.ablation is not None or not study.search:
        return Borrowed(study, (), ())
    return borrow(study, reuse, task, work.fingerprint, known)


def taken_up(
    folder: Path, history: History, edits: Edits, options: Options, reuse: Sequence[Path]
) -> tuple[Distillation, list[str]]:
    """The work of a study from here on, and what there is to say: its history takes in what is edited, and borrowed."""
    amendment = edits(history)
    study = history.study if amendment is None else amendment.study
    work = preparing.resumed(history, options, study)
    found = borrowing(study, reuse, history.task, work, history.earlier)
    if found.study != study:
        amendment = growing.amended(folder, history, found.study, history.methods)
    lines = [*found.told]
    if amendment is not None:
        count = words.for_terminal(words.count(len(history.trials), "trial"))
        lines.append(f"goes on after {count} as an edited study: {growing.told(amendment.changed)}")
        parts = renamed(history.experiment, experiment(amendment.study, work))
        history.apply(amendment.record(history, parts, time.time()))
    for record in found.records:
        history.apply(record)
    return work, lines
