"""Tasks by name: one of those that ship, a YAML file, or a folder of images.

>>> load("gliders").teacher
TeacherRef(arch='resnet8', weights='gliders_resnet8.safetensors', test_accuracy=...)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from dfkd_ray.datasets import derived, folder
from dfkd_ray.datasets.task import HERE, Task
from dfkd_ray.util import yamls
from dfkd_ray.util.errors import ConfigError, UnknownName
from dfkd_ray.util.registry import Registry, did_you_mean

tasks: Registry[Callable[[], Task]] = Registry("task")  # those of plug-ins, beside the files that ship


def names() -> list[str]:
    """The tasks that ship with the package, and those of plug-ins."""
    return sorted({*(path.stem for path in HERE.glob("*.yaml")), *tasks})


def load(name: str, above: tuple[Path, ...] = ()) -> Task:
    """The task of that name, shipped or of a plug-in, that in the YAML file at that path, or `folder:PATH`, see
    `folder.task`.

    Raises UnknownName with the nearest name, ConfigError with every mistake of the file, DataError for a folder that
    holds no classes. Weights and images stand beside the file that names them. A file may be `of` another task; `above`
    are those files that this one is read for.
    """
    if name.startswith(folder.PREFIX):
        return folder.task(name)
    if Path(name).suffix in (".yaml", ".yml"):
        path = Path(name).resolve()
        if path in above:
            raise ConfigError.at("", f"{path} is of itself")
        task = _read(path, above)
        if task.teacher.weights is not None:
            task = replace(task, teacher=replace(task.teacher, weights=str(path.parent / task.teacher.weights)))
        return task if task.data is None else replace(task, data=str(path.parent / task.data))
    if name in tasks:
        return tasks[name]()
    if name not in names():
        own = f"a task of your own is the path of its .yaml, or {folder.PREFIX}PATH"
        raise UnknownName(f"unknown task {name!r}{did_you_mean(name, names())}; {own}")
    return _read(HERE / f"{name}.yaml")


def spoken(task: Task) -> str:
    """What a command calls a task by: its name, its folder, or the file that it was read from, which has its name."""
    return folder.spoken(task) or (task.name if task.name in names() else f"{task.name}.yaml")


def _read(path: Path, above: tuple[Path, ...] = ()) -> Task:
    """The task in a file, which may be `of` another."""
    document = yamls.load(path)
    made = isinstance(document.data, Mapping) and derived.OF in document.data
    return parse(derived.spread(document, partial(load, above=(*above, path))) if made else document)


def parse(document: yamls.Document) -> Task:
    """A task from plain data; ConfigError with the line of each mistake."""
    problems = yamls.Problems()
    task: Task | None = problems.attempt("", yamls.typed, Task, document.data)
    if task is None:
        raise document.locate(problems.found)
    return task
