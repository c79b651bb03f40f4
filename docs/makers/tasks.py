"""The gallery of tasks and of nets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import takewhile

from dfkd_ray import datasets
from dfkd_ray.cli import catalogue
from makers import markup


def pages() -> Iterator[tuple[str, str, str]]:
    """(path, title, Markdown)."""
    about = (
        "Data set, image size, normalisation, teacher and student by name: see [tasks](../concepts/tasks.md). "
        "`dfkd-ray show NAME` prints one in full."
    )
    table = markup.table(("task", "classes", "image", "teacher", "student"), map(_row, datasets.names()))
    yield "gallery/tasks.md", "Tasks", markup.page("Tasks", about, table, *map(_task, datasets.names()))
    about = (
        "Classifiers, for teachers and students: `teacher.arch`, `student.arch`, `--arch`. Stages are where losses on "
        "features read a net."
    )
    listed = (line.split(maxsplit=1) for line in markup.printed(catalogue.ls, "nets").splitlines())
    rows = ((markup.code(name), markup.text(what)) for name, what in listed)
    yield "gallery/nets.md", "Nets", markup.page("Nets", about, markup.table(("net", "size"), rows))


def _row(name: str) -> tuple[str, ...]:
    task = datasets.load(name)
    shipped = " (shipped)" if task.teacher.weights else ""
    nets = f"{markup.code(task.teacher.arch)}{shipped}", markup.code(task.student)
    return f"[{name}](#{name})", str(len(task.classes)), " x ".join(map(str, task.image)), *nets


def _task(name: str) -> str:
    lines = (datasets.HERE / f"{name}.yaml").read_text("utf-8").splitlines()
    said = " ".join(line.removeprefix("#").strip() for line in takewhile(lambda line: line.startswith("#"), lines))
    shown = markup.fence("\n".join(catalogue.described(name)), "yaml")
    return "\n\n".join([f"## `{name}`", markup.text(said), markup.folded(f"dfkd-ray show {name}", shown)])
