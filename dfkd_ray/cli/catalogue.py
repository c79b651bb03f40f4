"""What there is: `ls`, `show`, `diff`, `cp`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from dfkd_ray.cli import app, completion, options, printing, studies
from dfkd_ray.cli.kinds import KINDS, RUNS, listing
from dfkd_ray.cli.real_images import kind_of_file
from dfkd_ray.cli.student import TrialOptions
from dfkd_ray.util import shipped
from dfkd_ray.util.errors import StudyError, UnknownName
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.registry import did_you_mean

STUDIES = "search_spaces/"  # before the name of a study that is a method's too
Shown = Annotated[
    str,
    typer.Argument(
        metavar="NAME|RUN",
        help="A method (resolved, every default filled in), a task or a study (search_spaces/NAME where a method "
        "has its name); or RUN, the folder of a run, of a trial, or of a study (then its best trial, or the one "
        "that is named): its method. What is shipped goes before a folder of that name: ./NAME is the folder.",
        autocompletion=completion.catalogue,
    ),
]
OfPreset = Annotated[
    str | None,
    typer.Option(help="Of a method: what this preset changes, and why.", autocompletion=completion.presets),
]


@app.command(epilog="Examples: dfkd-ray ls losses; dfkd-ray ls runs; dfkd-ray ls runs old/reports --json.")
def ls(
    kind: Annotated[
        str,
        typer.Argument(metavar="KIND", help=f"{', '.join((*KINDS, RUNS))}.", autocompletion=lambda: [*KINDS, RUNS]),
    ] = "studies",
    folder: Annotated[
        Path | None, typer.Argument(metavar="FOLDER", help="Of `ls runs`: where they are.", show_default="reports")
    ] = None,
    plugin: options.Plugin = None,
    json: printing.Json = False,
) -> None:
    """List what there is, a name and a line each, and of what a plug-in brings where it is from; `ls runs` lists the
    studies and runs that are here."""
    if kind == RUNS:
        _runs(folder or Path("reports"), json)
        return
    if folder is not None:
        raise typer.BadParameter(f"FOLDER is for `ls {RUNS}`: what is shipped lies in none")
    rows = listing(kind)
    if json:
        printing.as_json([{"name": name, "what": line} for name, line in rows])
    else:
        printing.table(rows)


def _runs(folder: Path, json: bool) -> None:
    found = studies.listed(folder)
    if json:
        printing.as_json(found)
    elif found:
        printing.table(studies.table_of(found))
    else:
        typer.echo(f"no study and no run in {folder}")


@app.command()
@options.unfolded
def show(
    name: Shown,
    which: TrialOptions,
    grid: Annotated[bool, typer.Option("--grid", help="Of a task: write a picture of its classes.")] = False,
    out: Annotated[
        Path | None, typer.Option(callback=options.on_disk, help="Where the picture goes.", show_default="<task>.png")
    ] = None,
    data: options.OwnImages = None,
    preset: OfPreset = None,
    task: Annotated[
        str, typer.Option(help="Of --preset: the task that it is for.", autocompletion=completion.tasks)
    ] = "gliders",
    plugin: options.Plugin = None,
    json: printing.Json = False,
) -> None:
    """Show a method (each value with its source), a task, a study, or the method of a run, as YAML; `--grid` writes a
    picture of a task, `--preset` what a preset makes of a method."""
    from dfkd_ray import datasets
    from dfkd_ray.util import yamls

    run = not grid and _is_run(name)
    if which.given and not run:
        raise typer.BadParameter(f"{which.given[0]} is for a RUN, and {name} is none")
    if grid:
        from dfkd_ray.datasets import picture

        shown = datasets.load(name)
        typer.echo(f"wrote {picture.write_grid(shown, out or Path(f'{shown.name}.png'), data=datasets.local(data))}")
        return
    kind = "run" if run else _kind(name)
    if preset is not None and kind not in (None, "method"):
        raise typer.BadParameter(f"--preset is of a method, and {name} is a {kind}")
    lines = which.method_of(Path(name)) if run else described(name)
    lines = lines if preset is None else _in_preset(name, preset, task)
    if json:
        printing.as_json(yamls.loads("\n".join(lines)).data)
        return
    for line in lines:
        typer.echo(line)


def _in_preset(name: str, preset: str, task: str) -> Iterator[str]:
    """A line for each change that a preset makes of a method on a task: `path: value  # why`."""
    from dfkd_ray import datasets
    from dfkd_ray.methods import config, presets
    from dfkd_ray.methods.presets.rules import Seen

    seen = Seen((made := datasets.load(task)).image, len(made.classes))
    found = presets.changes(config.load(name), name, preset, seen)
    yield f"# {name} as {preset} has it on {task}: what it changes of the method as published"
    for path, change in {each.path: each for each in found}.items():
        yield f"{path}: {printing.value(change.value)}  # {change.why}"


def _is_run(name: str) -> bool:
    """Whether what nobody has shipped is meant as a folder: one that is there, or a path that is no file's."""
    from dfkd_ray import datasets

    if name in _shipped() or name.removeprefix(STUDIES) in _shipped():
        return False
    file = Path(name).suffix in (".yaml", ".yml") or name.startswith((datasets.FOLDER, STUDIES))
    return ("/" in name and not file) or Path(name).is_dir()


def _shipped() -> list[str]:
    """The names of methods, tasks and studies."""
    from dfkd_ray import datasets
    from dfkd_ray.methods import config

    return [*config.method_names(), *datasets.names(), *(path.stem for path in shipped.studies())]


def _kind(name: str) -> str | None:
    """Whether it is a task, a method or a study, by name or by its file; None for what is none."""
    from dfkd_ray import datasets
    from dfkd_ray.methods import config

    if (kind := kind_of_file(name)) is not None:
        return kind
    if name in datasets.names() or name.startswith(datasets.FOLDER):
        return "task"
    if name in config.method_names():
        return "method"
    return "study" if name.removeprefix(STUDIES) in {path.stem for path in shipped.studies()} else None


def described(name: str) -> Iterator[str]:
    """Lines of YAML: a task, a method, or a study; UnknownName if it is none."""
    from dfkd_ray import datasets
    from dfkd_ray.methods import config, origins
    from dfkd_ray.util import yamls

    kind = _kind(name)
    if kind == "task":
        yield _yaml(yamls.plain(datasets.load(name)))
    elif kind == "method":
        method = config.load(name)
        yield f"# {name}, fingerprint {config.fingerprint(method)}; every default filled in"
        yield from origins.with_origins(name)
    elif kind == "study":
        studies = {path.stem: path for path in shipped.studies()}
        path = studies.get(name.removeprefix(STUDIES), Path(name))
        yield path.read_text(encoding="utf-8").removesuffix("\n")
    else:
        raise UnknownName(f"unknown method, task or study {name!r}{did_you_mean(name, _shipped())}")


def _yaml(data: Any) -> str:
    from dfkd_ray.util import yamls

    return yamls.dump(data, default_flow_style=None).removesuffix("\n")


@app.command()
def diff(
    one: Annotated[
        str, typer.Argument(metavar="METHOD", help="A method by name, or its file.", autocompletion=completion.methods)
    ],
    other: Annotated[str, typer.Argument(metavar="METHOD", help="Another one.", autocompletion=completion.methods)],
    plugin: options.Plugin = None,
    json: printing.Json = False,
) -> None:
    """Show where two methods differ: what only one of them has, and what both have with other values."""
    from dfkd_ray.methods import config

    found = config.diff(config.load(one), config.load(other))
    if json:
        printing.as_json([{"path": path, "values": list(both)} for path, both in found.items()])
        return
    if not found:
        typer.echo(f"{one} and {other} are one method")
        return
    printing.columns(
        [("", one, other), *((path, printing.value(a), printing.value(b)) for path, (a, b) in found.items())]
    )


@app.command()
def cp(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="A study (see `ls studies`; search_spaces/NAME where a method has its name) or a method.",
            autocompletion=completion.catalogue,
        ),
    ],
    to: Annotated[Path, typer.Argument(metavar="TO", help="A folder or a file.")] = Path("."),
) -> None:
    """Copy a shipped study or method, so that you can change it."""
    source = shipped.find(name)
    target = to / source.name if to.is_dir() else to
    if target.exists():
        raise StudyError(f"{target} exists already; name another file")
    if not target.parent.is_dir():
        raise StudyError(f"{target.parent}: there is no such folder")
    with atomic_write(target) as file:
        file.write(source.read_bytes())
    typer.echo(f"wrote {target}")
