"""`repair`: a study whose ledger is damaged goes on with what is left of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dfkd_ray.cli import app
from dfkd_ray.util.words import counted, typed

Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The study's folder, e.g. reports/mhad.")]


@app.command()
def repair(folder: Folder) -> None:
    """Set damaged records of a study aside and say what they cost; `resume` goes on with the rest."""
    from dfkd_ray.tune.repair import repair as repaired

    done = repaired(folder)
    if done.original is None:
        typer.echo(f"{folder}: nothing to repair, {counted(len(done.lines), 'sound record')}")
        return
    for number, why, _ in done.aside:
        typer.echo(f"line {number}: {why}")
    for line in done.told:
        typer.echo(line)
    aside = "" if done.damaged is None else f", {len(done.aside):,} set aside in {done.damaged.name}"
    typer.echo(f"kept {counted(len(done.lines), 'record')}{aside}; the ledger as it was is {done.original.name}")
    typer.echo(f"go on with: dfkd-ray resume {typed(folder)}")
