"""The teachers that stand in folders: which there are, and which one a task takes that has none of its own."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from dfkd_ray.datasets.image_files import data_folder
from dfkd_ray.datasets.task import Task
from dfkd_ray.teachers.weights import adopt, card_path, check_sha256, read_card
from dfkd_ray.util import limits
from dfkd_ray.util.errors import DataError

SUFFIXES = (".safetensors", ".pt", ".pth")


@dataclass(frozen=True)
class TeacherFile:
    """A file of weights and its card; `problem`: what is wrong with the two."""

    weights: Path
    card: dict[str, Any] = field(default_factory=dict)
    problem: str = ""

    def checked(self) -> TeacherFile:
        """The same, with a problem where the weights are not those of their card."""
        try:
            check_sha256(self.weights)
        except DataError as error:
            return replace(self, problem=self.problem or str(error))
        return self


def teacher_file(task_name: str, arch: str) -> str:
    """What `teach` calls the file of a teacher."""
    return re.sub(r"[^\w.-]+", "_", f"{task_name}_{arch}") + ".safetensors"


def teacher_folders() -> list[Path]:
    """Where teachers are looked for: ./teachers, $DFKD_RAY_TEACHERS, and beside the data sets."""
    named = os.environ.get("DFKD_RAY_TEACHERS")
    return [Path("teachers"), *([Path(named)] if named else []), data_folder() / "teachers"]


def teachers_in(folder: Path) -> Iterator[TeacherFile]:
    """The teachers of a folder, also those with something wrong, and cards whose weights are gone."""
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    weights = [path for path in files if path.suffix in SUFFIXES]
    yield from map(_teacher, weights)
    taken = {card_path(path) for path in weights}
    for path in files:
        if path.suffix == ".json" and path not in taken and {"arch", "file"} <= (card := _json(path)).keys():
            lost = folder / str(card["file"])
            yield TeacherFile(lost, card, f"{lost}: the weights of {path.name} are missing")


def _teacher(weights: Path) -> TeacherFile:
    try:
        card = read_card(weights)
    except DataError as error:
        return TeacherFile(weights, problem=str(error))
    return (
        TeacherFile(weights, problem=f"{weights}: no card says what it is")
        if card is None
        else TeacherFile(weights, card)
    )


def _json(path: Path) -> dict[str, Any]:
    """Of a file that may be anybody's: what it says, if that is an object."""
    try:
        read = limits.read_json(path)
    except (OSError, ValueError):
        return {}
    return read if isinstance(read, dict) else {}


def find_teacher(task_name: str, arch: str) -> Path | None:
    """The weights of a teacher of that task and architecture, the first of `teacher_folders`; of several the one that
    `teach` names so.
    """
    usual = teacher_file(task_name, arch)
    for folder in teacher_folders():
        fits = [
            each.weights
            for each in teachers_in(folder)
            if not each.problem and each.card.get("task") == task_name and each.card.get("arch") == arch
        ]
        if fits:
            return min(fits, key=lambda path: (path.name != usual, path.name))
    return None


def with_teacher(task: Task, weights: Path | None = None, arch: str | None = None) -> Task:
    """The task with the teacher in `weights`, else its own, else the one that is found; see `adopt`."""
    if weights is None and task.teacher.weights is None:
        weights = find_teacher(task.name, arch or task.teacher.arch)
    return task if weights is None else adopt(task, weights, arch)
