"""`rm`: a study or a run into the trash beside it."""

from __future__ import annotations

from typing import Annotated

import typer

from dfkd_ray.cli import app, completion, printing


@app.command(epilog="Example: dfkd-ray rm reports/mhad")
def rm(
    place: Annotated[
        str,
        typer.Argument(
            metavar="STUDY|RUN",
            help="Of a study or a `distill`: its folder, or its name under reports/.",
            autocompletion=completion.runs,
        ),
    ],
) -> None:
    """Move a study or a run to trash/ beside it, from where it can be moved back; refused while it runs."""
    from dfkd_ray.tune.removing import to_trash

    moved = to_trash(place)
    printing.say(f"moved to {moved}; delete that folder to free its space, or move it back")
