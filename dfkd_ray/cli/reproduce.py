"""Published tables: `reproduce` lists them, plans the study that re-runs one, and runs it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, cast

import typer

from dfkd_ray.cli import app, listening, options, printing
from dfkd_ray.runs import running
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import DfkdError, StudyError, UnknownName
from dfkd_ray.util.registry import did_you_mean

if TYPE_CHECKING:
    from dfkd_ray.study import Study
    from dfkd_ray.study.published import PublishedTable, Scale
    from dfkd_ray.util.yamls import Document

SMALL = "gliders"  # the scale that every re-run has, with all that it needs
PIPE = 1_000  # columns: a line a table


@app.command()
@options.unfolded
def reproduce(
    *,
    table: Annotated[str | None, typer.Argument(metavar="TABLE", help="A published table, e.g. dfkd_fgvc/table3.")] = (
        None
    ),
    listed: Annotated[bool, typer.Option("--list", help="List the tables, and which can be run again here.")] = False,
    column: Annotated[str | None, typer.Option(help="The column to run, or to compare with, e.g. cub200.")] = None,
    scale: Annotated[
        str, typer.Option(help="paper: the table's own task, nets and schedule; gliders: its cells on a laptop.")
    ] = "paper",
    plan: Annotated[bool, typer.Option("--plan", help="Print the plan and launch nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Of --list: print JSON.")] = False,
    how: Options,
    small: options.SmallTry,
) -> None:
    """Run a published table again: its rows as arms, and each of its claims with a verdict."""
    from dfkd_ray import study as studies
    from dfkd_ray.study import published

    if listed:
        _list(json)
        return
    if json:
        raise typer.BadParameter("--json is for --list; of a study: dfkd-ray status STUDY --json")
    if table is None:
        raise typer.BadParameter("which table? See: dfkd-ray reproduce --list")
    chosen = published.load(table)
    document = small.overrides.over(_document(chosen, column, scale))
    made = studies.parse(document)
    for line in _question(chosen, made):
        typer.echo(line)
    _run(document, made, plan, how)


def _document(table: PublishedTable, column: str | None, scale: str) -> Document:
    """The study that re-runs a table, as its file would have it; names of columns in any case."""
    from dfkd_ray.study import published
    from dfkd_ray.util.yamls import Document

    if column is not None:
        column = next((name for name in table.runs if name.casefold() == column.casefold()), column)
    raw = published.study(table, column, cast("Scale", scale), published.SEEDS)
    if column is None and len(table.runs) == 1:
        (column,) = table.runs
    return Document({**raw, "published": published.reference(table, column)})


def _question(table: PublishedTable, made: Study) -> Iterator[str]:
    """What is asked: the table, and what it claims."""
    from dfkd_ray.study import published

    _, column = published.find(made.published)
    yield f"{made.published}: {table.title} ({table.source.citation}, {table.number})"
    if table.claims:
        yield f"its claims, as differences in points ({column or 'mean of ' + ', '.join(table.runs)}):"
    for claim in table.claims:
        yield f"  {published.printed(table, claim, column):+.2f}  {claim.text}"


def _run(document: Document, made: Study, plan: bool, how: Options) -> None:
    """Print the plan, then run; where something is missing, print the design and say what."""
    from dfkd_ray.runs.study_file import open_document

    try:
        study, work = open_document(document, how)
    except DfkdError:
        lacking = _lacking(made, how)
        if made.task == SMALL or not lacking:
            raise
        _without(made, lacking, plan, how)
        return
    for line in running.planned(study, work, how).lines:
        printing.say(line)
    if not plan:
        listening.close(running.start(study, work, how, listening.TERMINAL))


def _without(made: Study, lacking: list[str], plan: bool, how: Options) -> None:
    """The design, and what is missing: as an answer to `--plan`, else as an error."""
    from dfkd_ray.methods import config
    from dfkd_ray.runs import planning, telling
    from dfkd_ray.tune.earlier import beside

    schedule = config.change(config.load(made.method), made.fixed).schedule
    spread = telling.spread(made, beside(running.folder_of(made, how)))
    for line in planning.describe(made, schedule, None, how.concurrency, spread):
        typer.echo(line)
    table = made.published.partition("#")[0]
    elsewhere = f"the same cells on the embedded task: dfkd-ray reproduce {table} --scale {SMALL}"
    message = "\n  ".join([f"{made.study} cannot be run here:", *lacking, elsewhere])
    if not plan:
        raise StudyError(message)
    typer.echo(message)


def _lacking(made: Study, how: Options) -> list[str]:
    """What is not here of what a study needs: its task, its teacher, the images that students are judged by."""
    from dfkd_ray import datasets, teachers
    from dfkd_ray.methods import config

    try:
        task = datasets.load(made.task_name)
    except UnknownName:
        return [f"the task {made.task} is not here{did_you_mean(made.task, datasets.names())}"]
    arch = config.change(config.load(made.method), made.fixed).teacher.arch

    def teacher() -> object:
        return teachers.teacher(teachers.taught(task, how.weights, arch), arch)

    def images() -> object:
        return datasets.split(task, "val", datasets.local(how.data))

    found = []
    for needed in (teacher, images):
        try:
            needed()
        except DfkdError as error:
            found.append(str(error))
    return found


def _list(json: bool) -> None:
    """All tables, one row each; in a pipe one line each."""
    from rich.console import Console
    from rich.table import Table as Grid

    from dfkd_ray.study import published

    head = ("table", "what", "paper", "can it be run again here?")
    tables = {name: published.load(name) for name in published.names()}
    rows = [(name, f"{t.title} ({t.number})", t.source.citation, _here(t)) for name, t in tables.items()]
    if json:
        printing.table([head, *rows], json)
        return
    grid = Grid(box=None, pad_edge=False, header_style="bold")
    for title in head:
        grid.add_column(title, no_wrap=title == "table")
    for row in rows:
        grid.add_row(*row)
    console = Console(width=None if sys.stdout.isatty() else PIPE, markup=False, highlight=False)
    with console.capture() as shown:
        console.print(grid)
    for line in shown.get().splitlines():
        typer.echo(line.rstrip())


def _here(table: PublishedTable) -> str:
    """Whether a table can be run again on this machine, and if not why."""
    if not table.runnable:
        return f"no: {table.not_run}"
    from dfkd_ray import datasets

    wanted = dict.fromkeys(run["task"] for run in table.runs.values())
    known = [name for name in wanted if name in datasets.names()]
    unknown = [name for name in wanted if name not in known]
    full = f"; on {', '.join(known)} with --data and --weights" if known else ""
    return f"yes: on {SMALL}{full}" + (f"; there is no task {', '.join(unknown)} yet" if unknown else "")
