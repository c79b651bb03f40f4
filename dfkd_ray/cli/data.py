"""The data sets of the tasks: `data ls`, `data where`, `data fetch`, `data verify`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfkd_ray.cli import app, completion, options, printing
from dfkd_ray.cli.real_images import ImageOptions
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.words import DASH, counted

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task
    from dfkd_ray.datasets.verify import DataReport

data = typer.Typer(no_args_is_help=True, help="The data sets of the tasks.")
app.add_typer(data, name="data")

SHOWN = 5  # files of a kind
Name = Annotated[
    str,
    typer.Argument(
        metavar="TASK", help="A task by name (see `ls tasks`), or a YAML file.", autocompletion=completion.tasks
    ),
]
Folder = Annotated[
    Path | None, typer.Option("--data", help="Folder of data sets.", show_default="$DFKD_RAY_DATA or ~/.cache/dfkd-ray")
]


@data.command()
def ls(folder: Folder = None, plugin: options.Plugin = None, json: printing.Json = False) -> None:
    """List the tasks: is their data there, how much of it, the publisher's numbers of images, and where."""
    from dfkd_ray import datasets

    rows = [("task", "data", "size", "images", "folder")]
    rows += [(name, *_row(datasets.load(name), folder)) for name in datasets.names()]
    printing.table(rows, json)


def _row(task: Task, folder: Path | None) -> tuple[str, str, str, str]:
    from dfkd_ray.datasets.readers import opened

    try:
        root, parts = opened(task, folder)
    except DataError:
        return _absent(task, folder)
    if root is None:
        return "none needed", "", "", ""
    whole = task.origin is None or task.origin.splits <= {*parts}
    return "present" if whole else "partial", _size(_on_disk(root)), _official(task), str(root)


def _absent(task: Task, folder: Path | None) -> tuple[str, str, str, str]:
    """Of what no reader finds: what has come of it, what there is to download, and where it will be."""
    from dfkd_ray import datasets
    from dfkd_ray.datasets.fetch import needed

    home, wanted = folder or datasets.data_folder(), needed(task)
    came = [home / archive.makes for archive in wanted]
    came += [path for archive in wanted for path in (home / "downloads").glob(f"{archive.name}*")]
    if held := sum(_on_disk(path) for path in came if path.exists()):
        return "partial", _size(held), _official(task), _place(task, home)
    sizes = [archive.size for archive in wanted if archive.url is not None]
    packed = _size(sum(filter(None, sizes))) + " packed" if sizes and None not in sizes else ""
    return "absent", packed if sizes else "by hand", _official(task), _place(task, home)


def _none_needed(task: Task) -> str:
    return f"{task.name} needs no data: its images are drawn or bundled"


def _place(task: Task, home: Path) -> str:
    from dfkd_ray.datasets.fetch import destination

    return str(home / (destination(task) or ""))


def _official(task: Task) -> str:
    counts = {} if task.origin is None else task.origin.counts.stated
    return ", ".join(f"{count:,} {which}" for which, count in counts.items())


def _on_disk(root: Path) -> int:
    return sum(path.stat().st_size for path in [root, *root.rglob("*")] if path.is_file())


def _size(count: int) -> str:
    from rich import filesize

    return filesize.decimal(count)


@data.command()
def where(name: Name, folder: Folder = None, plugin: options.Plugin = None) -> None:
    """Print the folder of a task's data, or the one where it would be."""
    from dfkd_ray import datasets
    from dfkd_ray.datasets.readers import opened

    task = datasets.load(name)
    try:
        root = opened(task, folder).root
    except DataError:
        if task.origin is None:
            raise
        typer.echo(_place(task, folder or datasets.data_folder()))
        return
    if root is None:
        raise DataError(_none_needed(task))
    typer.echo(root)


@data.command()
def fetch(name: Name, folder: Folder = None) -> None:
    """Download a task's data, check and unpack it; what is there already is left alone."""
    from dfkd_ray import datasets

    with options.going_on_with("dfkd-ray", *sys.argv[1:]):
        bring(datasets.load(name), folder)


def bring(task: Task, folder: Path | None) -> None:
    """What is missing of a task's data, with a bar for each step; says what came and where it is."""
    from dfkd_ray.datasets.fetch import archive_facts
    from dfkd_ray.datasets.readers import fetched, opened

    came = fetched(task, folder)
    for archive in came:
        typer.echo(f"fetched {archive.name}: {archive_facts(archive)}")
    root = opened(task, folder).root
    if root is None:
        typer.echo(_none_needed(task))
    else:
        typer.echo(f"{task.name} is in {root}" + ("" if came else ", nothing to fetch"))


@data.command()
@options.unfolded
def verify(
    name: Name,
    images: ImageOptions,
    folder: Folder = None,
    all_files: Annotated[bool, typer.Option("--list", help="Name every file, not the first few of each kind.")] = False,
    plugin: options.Plugin = None,
    json: printing.Json = False,
) -> None:
    """Compare a task's data with what was published, file by file; exit code 1 if it differs."""
    from dfkd_ray.datasets.verify import verify as check

    task = images.load(name)
    report = check(task, folder)
    if json:
        printing.as_json({"task": task.name, **vars(report), "complete": report.complete})
    elif report.root is None:
        typer.echo(_none_needed(task))
    else:
        for line in _said(task, report, None if all_files else SHOWN):
            typer.echo(line)
    if report.root is not None and not report.complete:
        raise typer.Exit(1)


def _said(task: Task, report: DataReport, shown: int | None) -> Iterator[str]:
    yield f"{task.name}: {report.root}"
    yield f"{'split':<7}{'images':>11}{'official':>11}"
    for which in [*report.counts, *(name for name in report.official if name not in report.counts)]:
        official = f"{report.official[which]:,}" if which in report.official else DASH
        differs = "  differs" if which in report.miscounted else ""
        yield f"{which:<7}{report.counts.get(which, 0):>11,}{official:>11}{differs}"
    damaged = [f"{path}: {wrong}" for path, wrong in report.damaged.items()]
    surplus = "surplus" if report.official or not report.unused.pictures else "in no split, and not used"
    left_out = [f"{path}: {wrong}" for path, wrong in report.left_out.items()]
    kinds = {"unreadable": report.unreadable, "missing": report.missing, "damaged": damaged}
    kinds |= {f"damaged, and left out (skip_damaged is {task.skip_damaged})": left_out, surplus: report.surplus}
    kinds |= report.unused.kinds
    for kind, files in kinds.items():
        if files:
            yield f"{kind}: {len(files):,}"
            yield from (f"  {file}" for file in files[:shown])
            if shown is not None and len(files) > shown:
                yield f"  and {len(files) - shown:,} more (--list names them)"
    if not report.complete:
        yield "not as it was published" if report.official else "not whole: see above"
    elif left_out:
        yield f"whole but for {counted(len(left_out), 'damaged image')}, left out"
    else:
        yield "whole: every image is there and can be read"
