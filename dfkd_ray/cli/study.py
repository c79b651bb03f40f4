"""Studies: `sweep`, `ablate`, `resume`, `plan`, `validate`, `report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfkd_ray.cli import app, options, terminal
from dfkd_ray.cli.student import TrialOptions
from dfkd_ray.runs import running
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import StudyError

File = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped one.")]
Folder = Annotated[
    str, typer.Argument(metavar="FOLDER", help="The study's folder, e.g. reports/mhad or s3://bucket/mhad.")
]


@app.command()
@options.unfolded
def sweep(file: File, how: Options, small: options.SmallTry) -> None:
    """Search a study's space and write its tables and its page."""
    study, work = running.checked(file, how, small.overrides)
    if study.ablation is not None:
        raise StudyError(f"{study.study} is an ablation; run: dfkd-ray ablate {file}")
    terminal.close(running.start(study, work, how, terminal.TERMINAL))


@app.command()
@options.unfolded
def ablate(file: File, how: Options, small: options.SmallTry) -> None:
    """Run a designed experiment: every arm with the same seeds, its effects with intervals and verdicts."""
    study, work = running.checked(file, how, small.overrides)
    if study.ablation is None:
        raise StudyError(f"{study.study} is a sweep; run: dfkd-ray sweep {file}")
    terminal.close(running.start(study, work, how, terminal.TERMINAL))


@app.command()
@options.unfolded
def resume(
    folder: Folder,
    how: Options,
    failed: Annotated[bool, typer.Option("--failed", help="Run trials that failed again, from the start.")] = False,
    accept_changes: options.AcceptChanges = False,
) -> None:
    """Go on with a study or a run that was interrupted or killed; nothing finished is run again.

    What decides results (methods, teacher, task, real images, own code) has to be what it was when it began.
    """
    terminal.close(running.resume(folder, how, accept_changes, terminal.TERMINAL, failed))


@app.command()
@options.unfolded
def plan(file: File, how: Options, small: options.SmallTry) -> None:
    """Say what a study will run and cost, from a probe of a few steps; launches nothing."""
    study, work = running.checked(file, how, small.overrides)
    for line in running.planned(study, work, how):
        typer.echo(line)


@app.command()
def validate(file: File, weights: options.Weights = None, data: options.Data = None) -> None:
    """Check a study file: every mistake at once, with its line."""
    study, _ = running.checked(file, Options(data=data, weights=weights))
    what = f"{len(study.search)} searched paths" if study.ablation is None else f"{len(study.ablation.arms)} arms"
    typer.echo(f"{study.study}: {what}, method {study.method_name}, task {study.task_name}: valid")


@app.command()
@options.unfolded
def report(
    folders: Annotated[
        list[Path],
        typer.Argument(metavar="FOLDER...", help="Of a study, of a run, or of one trial; or several, of ablations."),
    ],
    which: TrialOptions,
    out: Annotated[
        Path | None,
        typer.Option(
            callback=options.on_disk, help="Of several: write the table as OUT.md and OUT.tex too.", show_default=False
        ),
    ] = None,
) -> None:
    """Build the page again from a study's tables alone: of the study, of a run, or of one trial, also one that kept
    no student; of several ablations one table, arms x tasks."""
    from dfkd_ray import report as pages

    if len(folders) > 1:
        if which.given:
            raise typer.BadParameter(f"{which.given[0]} is for one folder")
        text, written = pages.cross(folders, out)
        typer.echo(text, nl=False)
        for path in written:
            typer.echo(f"wrote {path}", err=True)
    elif out is not None:
        raise typer.BadParameter("--out is for several folders; one study's table is its arms.md and arms.tex")
    else:
        typer.echo(f"wrote {pages.build(*which.page_of(folders[0]))}")
