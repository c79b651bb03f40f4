"""What there is: `ls`, `show`, `cp`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from dfkd_ray import shipped
from dfkd_ray.cli import app
from dfkd_ray.errors import StudyError, UnknownName


class Kind(StrEnum):
    """What `ls` can list."""

    studies = "studies"
    methods = "methods"
    tasks = "tasks"
    losses = "losses"
    sources = "sources"
    memories = "memories"
    views = "views"
    nets = "nets"
    samplers = "samplers"
    stoppers = "stoppers"


@app.command()
def ls(kind: Annotated[Kind, typer.Argument(help="What to list.")] = Kind.studies) -> None:
    """List what is shipped, a name and a line each."""
    rows = dict(_listing(kind))
    width = max(map(len, rows), default=0)
    for name, line in rows.items():
        typer.echo(f"{name:<{width}}  {line}".rstrip())


def _listing(kind: Kind) -> list[tuple[str, str]]:
    if kind is Kind.studies:
        return [(path.stem, shipped.question(path)) for path in shipped.studies()]
    if kind is Kind.methods:
        from dfkd_ray import config

        return [(name, shipped.opening(config.method_file(name))) for name in config.method_names()]
    if kind is Kind.tasks:
        from dfkd_ray import tasks

        return [(name, shipped.opening(tasks.HERE / f"{name}.yaml")) for name in tasks.names()]
    registry = _registry(kind)
    return [(name, (registry[name].__doc__ or "").strip().splitlines()[0]) for name in registry]


def _registry(kind: Kind):  # type: ignore[no-untyped-def]
    if kind in (Kind.samplers, Kind.stoppers):
        from dfkd_ray.study import specs

        return getattr(specs, kind.value)
    if kind is Kind.nets:
        from dfkd_ray.nets import classifiers

        return classifiers
    from dfkd_ray import config, objective, slots  # noqa: F401  config fills the registries

    return {Kind.losses: objective.terms}.get(kind) or getattr(slots, kind.value)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A method (resolved, every default filled in) or a task.")],
    grid: Annotated[bool, typer.Option("--grid", help="Of a task: write a picture of its classes.")] = False,
    out: Annotated[Path | None, typer.Option(help="Where the picture goes.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder or .npz file of the task's images.")] = None,
) -> None:
    """Show a method or a task; `--grid` writes a picture of a task."""
    import yaml

    from dfkd_ray import config, tasks
    from dfkd_ray import yamls as plain_data
    from dfkd_ray.tasks import picture

    if name in tasks.names() or (name not in config.method_names() and grid):
        task = tasks.load(name)
        if grid:
            path = out or Path(f"{task.name}.png")
            picture.write_grid(task, path, data=data)
            typer.echo(f"wrote {path}")
            return
        typer.echo(yaml.safe_dump(plain_data.plain(task), sort_keys=False, default_flow_style=None), nl=False)
        return
    try:
        method = config.load(name)
    except UnknownName as error:
        raise UnknownName(f"{error}; nor is it a task: {', '.join(tasks.names())}") from None
    if grid:
        raise UnknownName(f"--grid is for tasks ({', '.join(tasks.names())}); {name} is a method")
    typer.echo(f"# {name}, fingerprint {config.fingerprint(method)}; every default filled in")
    typer.echo(yaml.safe_dump(config.plain(method), sort_keys=False, default_flow_style=None), nl=False)


@app.command()
def cp(
    name: Annotated[str, typer.Argument(help="A study (see `ls studies`) or a method (see `ls methods`).")],
    to: Annotated[Path, typer.Argument(help="A folder or a file.")] = Path("."),
) -> None:
    """Copy a shipped study or method, to change it."""
    source = shipped.find(name)
    target = to / source.name if to.is_dir() else to
    if target.exists():
        raise StudyError(f"{target} exists already; name another file")
    if not target.parent.is_dir():
        raise StudyError(f"{target.parent}: there is no such folder")
    target.write_bytes(source.read_bytes())
    typer.echo(f"wrote {target}")
