"""What a run is of: a task by name, or a teacher that comes without one; and how its real images are read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from dfkd_ray import datasets, teachers
from dfkd_ray.datasets import HoldOut, Task
from dfkd_ray.runs.study_file import absolute
from dfkd_ray.util.errors import ConfigError

DEFAULT = "gliders"  # ships with all that it needs


def chosen(
    task: str | Task | None, arch: str | None, weights: Path | None, tell: Callable[[str], None], **stated: Any
) -> str | Task:
    """The named task, the teacher in `weights` alone (`arch`: its net), or where there is neither the default.

    stated: what is said of a teacher without a task (classes, size, channels, mean, std; None: its card or the file
    says it); ConfigError where there is a task, or no teacher.
    """
    if said := [name for name, value in stated.items() if value is not None and (task is not None or weights is None)]:
        what = "leave it out, or --task" if task is not None else "give its --weights"
        raise ConfigError.at("", f"--{said[0]} is for a teacher without a task: {what}")
    if task is not None or weights is None:
        return absolute(task or DEFAULT) if isinstance(task, str | None) else task
    return teachers.bare(arch, weights=weights, tell=tell, **stated)


def read_as(
    task: Task, skip_damaged: int | None = None, hold_out: float | None = None, shares: str | None = None
) -> Task:
    """The task with its real images read so: of each split so many damaged files left out, and of data without
    validation images so many set aside; shares: how class folders without splits are split. ConfigError where that
    cannot be."""
    changes: dict[str, Any] = {} if skip_damaged is None else {"skip_damaged": skip_damaged}
    if shares is not None:
        if task.reader != "folder":
            said = f"--split is for class folders or a table of one's own: {task.name} is neither"
            raise ConfigError.at("", said)
        changes["split"] = shares
    try:
        if hold_out is not None:
            changes["hold_out"] = HoldOut(train=hold_out or task.hold_out.train, test=hold_out)
        return replace(task, **changes)
    except ValueError as error:
        raise ConfigError.at("", str(error)) from None


def of_images(task: str | Task, **reading: Any) -> str | Task:
    """A task by name or made; the same where nothing is said of its images, else one that is read so, see `read_as`."""
    if all(value is None for value in reading.values()):
        return task
    return read_as(datasets.load(task) if isinstance(task, str) else task, **reading)


def with_nets(changes: Mapping[str, Any], nets: Mapping[str, str | None]) -> dict[str, Any]:
    """Changes of a method, with the architectures that were said by themselves; ConfigError for one given twice."""
    said = {path: arch for path, arch in nets.items() if arch is not None}
    for path in said.keys() & changes.keys():
        raise ConfigError.at("--set", f"{path} is given twice")
    return {**changes, **said}


def folder_name(task: str | Task) -> str:
    """What a task is called in the name of a folder: without path and ending; see `Task.slug` for `folder:PATH`."""
    if not isinstance(task, str):
        return task.slug
    if not task.startswith(datasets.FOLDER):
        return Path(task).stem
    _, at, side = datasets.spoken(made := datasets.load(task)).rpartition("@")
    return f"{made.slug}{at}{side}" if task.endswith(f"{at}{side}") else made.slug
