"""The terminal as the audience of a study, and how a command ends that has run one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import typer

from dfkd_ray.cli import options, printing
from dfkd_ray.cli.serving import serving
from dfkd_ray.runs import outcome
from dfkd_ray.runs.audience import Audience
from dfkd_ray.util.errors import GivenUp

if TYPE_CHECKING:
    from dfkd_ray.tune import Summary

TERMINAL = Audience(say=printing.say, warn=lambda line: printing.say(line, err=True), going_on=options.going_on_with)


def audience(serve: bool) -> Audience:
    """The terminal; serve: and the page meanwhile."""
    return replace(TERMINAL, beside=lambda folder: serving(folder, serve))


def close(summary: Summary) -> None:
    """Exit code 3 where trials failed, or none is complete."""
    if (said := outcome.lacking(summary)) is not None:
        printing.say(said, err=True)
        raise typer.Exit(GivenUp.exit_code)
