"""What a run was made of, by its card, or where it kept no student by the ledger of its study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dfkd_ray.methods import config
from dfkd_ray.methods.method import Method
from dfkd_ray.runs import plugins
from dfkd_ray.runs.card import RunCard
from dfkd_ray.tune import ledger
from dfkd_ray.tune.chosen import choose, numbered, page_of
from dfkd_ray.tune.history import read_history
from dfkd_ray.util import folders, words
from dfkd_ray.util.errors import StudyError

Told = Mapping[str, Any]  # which run it was; what is not known is None


def tried(path: Path, trial: int | None = None, arm: str | None = None, seed: int | None = None) -> tuple[Method, Told]:
    """The method of a run, resolved, and which run it was; of a study its best trial, or the one that is named, which
    need not have kept a student.

    StudyError says what there is, where that is none; ConfigError where own code that it needs is not here.
    """
    study, number = (path, None) if (path / folders.CARD).is_file() else page_of(path, trial, arm, seed)
    carded = number is None or (folders.of_trial(study, number) / folders.CARD).is_file()
    if number is not None and not carded and (study / ledger.NAME).is_file():
        return _by_ledger(study, number)
    chosen = choose(path, trial, arm, seed)
    return _by_card(RunCard.read(chosen.folder), chosen.said)


def _by_card(card: RunCard, said: str) -> tuple[Method, Told]:
    told = {
        "run": said or None,
        **_which(card.study, card.trial, card.arm, card.seed, card.method),
        "task": card.task.name,
        "teacher": f"{card.teacher_arch}, digest {card.teacher_digest}",
        "student": card.student_arch,
        "versions": ", ".join(f"{name} {version}" for name, version in card.versions.items()),
    }
    return card.method, told


def _by_ledger(folder: Path, number: int) -> tuple[Method, Told]:
    plugins.load(plugins.recorded(folder))
    history = read_history(folder)
    trial = numbered(history, number)
    state = words.state(trial.state)
    if trial.method is None:
        raise StudyError(f"{folder}: trial {number} ({state}) has no epoch, and so no method on record")
    method = config.parse(trial.method)
    told = _which(history.study.study, number, trial.arm, trial.seed, method)
    return method, {**told, "task": history.study.task_name, "state": f"{state}, no student is kept"}


def _which(study: str, trial: int, arm: str | None, seed: int, method: Method) -> dict[str, Any]:
    return {"study": study, "trial": trial, "arm": arm, "seed": seed, "fingerprint": config.fingerprint(method)}
