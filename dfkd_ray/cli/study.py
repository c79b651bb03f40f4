"""Studies: `sweep`, `ablate`, `resume`, `plan`, `validate`, `report`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from dfkd_ray.cli import app, completion, listening, options, printing
from dfkd_ray.cli.student import TrialOptions
from dfkd_ray.runs import running
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.words import counted, typed

File = Annotated[
    str,
    typer.Argument(
        metavar="STUDY", help="A study file, or the name of a shipped one.", autocompletion=completion.studies
    ),
]
FileOrWinner = Annotated[
    str | None,
    typer.Argument(
        metavar="[STUDY]", help="A study file, or the name of a shipped one.", autocompletion=completion.studies
    ),
]
Winner = Annotated[
    str | None,
    typer.Option(
        "--from",
        metavar="FOLDER",
        help="In place of a file: the ablation around the winner of a sweep, each searched setting back to its default "
        "and each term out, one at a time. It is written as ablation.yaml beside the sweep.",
        autocompletion=completion.runs,
    ),
]
Folder = Annotated[
    str,
    typer.Argument(
        metavar="FOLDER",
        help="The study's folder, e.g. reports/mhad or s3://bucket/mhad.",
        autocompletion=completion.runs,
    ),
]

Serve = Annotated[
    bool, typer.Option("--serve", help="Serve the page to this machine meanwhile, under an address with a token.")
]

Earlier = Annotated[
    list[str] | None,
    typer.Option(
        "--from",
        metavar="FOLDER",
        help="Of an earlier study, which tells how far trials scatter; may be given again. In place of a file: of a "
        "sweep, for the ablation around its winner, as ablate has it.",
        show_default="all beside its own",
        autocompletion=completion.runs,
    ),
]


@app.command()
@options.unfolded
def sweep(file: File, how: Options, small: options.SmallTry, serve: Serve = False) -> None:
    """Search a study's space and write its tables and its page. Where the folder holds it, and the file was edited
    since, it goes on as the file has it now: with more trials, a wider space, another sampler."""
    study, work = running.checked(file, how, small.overrides)
    if study.ablation is not None:
        raise StudyError(f"{study.study} is an ablation; run: dfkd-ray ablate {typed(file)}")
    listening.close(running.start(study, work, how, listening.audience(serve)))


@app.command()
@options.unfolded
def ablate(
    how: Options, small: options.SmallTry, file: FileOrWinner = None, winner: Winner = None, serve: Serve = False
) -> None:
    """Run a designed experiment: every arm with the same seeds, its effects with intervals and verdicts.

    Example: dfkd-ray ablate --from reports/mhad
    """
    file, how, small = _named(file, winner, how, small)
    study, work = running.checked(file, how, small.overrides)
    if study.ablation is None:
        raise StudyError(f"{study.study} is a sweep; run: dfkd-ray sweep {typed(file)}")
    listening.close(running.start(study, work, how, listening.audience(serve)))


@app.command()
@options.unfolded
def resume(
    folder: Folder,
    how: Options,
    failed: Annotated[bool, typer.Option("--failed", help="Run trials that failed again, from the start.")] = False,
    accept_changes: options.AcceptChanges = False,
    serve: Serve = False,
    trials: options.Trials = None,
    hours: options.Hours = None,
) -> None:
    """Go on with a study or a run that was interrupted or killed; nothing finished is run again. With --trials or
    --hours a sweep that has ended goes on to so many in all.

    What decides results (methods, teacher, task, real images, own code) has to be what it was when it began.
    """
    from dfkd_ray.study.overrides import Overrides

    budget = Overrides(trials=trials, hours=hours)
    listening.close(running.resume(folder, how, accept_changes, listening.audience(serve), failed, budget))


@app.command()
@options.unfolded
def plan(
    how: Options,
    small: options.SmallTry,
    file: FileOrWinner = None,
    earlier: Earlier = None,
    json: printing.Json = False,
) -> None:
    """Say what a study will run, cost and be able to tell, from a probe of a few steps; launches nothing."""
    winner = None
    if file is None and earlier:
        winner, *earlier = earlier
    file, how, small = _named(file, winner, how, small)
    study, work = running.checked(file, how, small.overrides)
    made = running.planned(study, work, how, [Path(each) for each in earlier or ()])
    if json:
        printing.as_json(made.plain(study))
        return
    for line in made.lines:
        printing.say(line)


@app.command()
def validate(
    file: File, weights: options.Weights = None, data: options.Data = None, plugin: options.Plugin = None
) -> None:
    """Check a study file: every mistake at once, with its line."""
    study, _ = running.checked(file, Options(data=data, weights=weights, plugin=tuple(plugin or ())))
    paths, ablation = counted(len(study.search), "searched path"), study.ablation
    what = paths if ablation is None else counted(len(ablation.arms), "arm")
    typer.echo(f"{study.study}: {what}, method {study.method_name}, task {study.task_name}: valid")


def _named(
    file: str | None, winner: str | None, how: Options, small: options.SmallTry
) -> tuple[str, Options, options.SmallTry]:
    """The file of a study; that of the ablation around a winner is written first, and has the seeds that are said."""
    if (file is None) == (winner is None):
        raise StudyError("which study? Give its file, or --from and the folder of a sweep")
    if winner is None:
        assert file is not None
        return file, how, small
    from dfkd_ray.runs import around

    path, how = around.written(winner, how, small.seeds)
    for line in around.lines(path):
        typer.echo(line, err=True)
    return str(path), how, replace(small, seeds=None)


Folders = Annotated[
    list[Path],
    typer.Argument(
        metavar="FOLDER...",
        help="Of a study, of a run, or of one trial; or several studies.",
        autocompletion=completion.runs,
    ),
]
Written = Annotated[
    Path | None,
    typer.Option(
        callback=options.on_disk,
        help="Of several: their page is OUT.html, the table of arms OUT.md and OUT.tex too.",
        show_default="A-and-B.html beside the first",
    ),
]
Watch = Annotated[
    bool, typer.Option("--watch", help="Serve the page to this machine, and build it whenever the tables change.")
]


@app.command()
@options.unfolded
def report(
    folders: Folders, which: TrialOptions, out: Written = None, plugin: options.Plugin = None, watch: Watch = False
) -> None:
    """Build the page again from a study's tables alone: of the study, of a run, or of one trial, also one that kept
    no student; of several studies one page that compares them, and of ablations a table, arms x tasks.

    Example: dfkd-ray report reports/mhad --watch
    """
    from dfkd_ray import report as pages
    from dfkd_ray.cli.serving import watch as watched
    from dfkd_ray.runs.recalling import recall

    recalled = partial(recall, given=plugin or (), say=partial(printing.say, err=True))
    if watch and (len(folders) > 1 or which.given or out is not None):
        raise typer.BadParameter("--watch is for the page of one study")
    if watch:
        if not folders[0].is_dir():
            raise StudyError(f"{folders[0]}: there is no such folder")
        watched(folders[0])
    elif len(folders) > 1:
        if which.given:
            raise typer.BadParameter(f"{which.given[0]} is for one folder")
        for folder in folders:
            recalled(folder)
        _several(folders, out)
    elif out is not None:
        raise typer.BadParameter("--out is for several folders; one study's table is its arms.md and arms.tex")
    else:
        study, trial = which.page_of(folders[0])
        recalled(study)
        typer.echo(f"wrote {pages.build(study, trial)}")


def _several(folders: list[Path], out: Path | None) -> None:
    """One page of several studies; of ablations that share an arm a table too, which alone goes to standard output."""
    from dfkd_ray import report as pages

    page = pages.compare(folders, out)
    try:
        text, written = pages.cross(folders, out)
    except StudyError as why:  # studies that share no arm have a page all the same
        text, written = "", []
        typer.echo(f"no table of arms: {why}", err=True)
    typer.echo(text, nl=False)
    for path in (*written, page):
        typer.echo(f"wrote {path}", err=True)
