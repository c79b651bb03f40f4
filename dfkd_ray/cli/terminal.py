"""The terminal as the audience of a study, and how a command ends that has run one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from dfkd_ray.cli import options
from dfkd_ray.runs import outcome
from dfkd_ray.runs.audience import Audience
from dfkd_ray.util.errors import GivenUp

if TYPE_CHECKING:
    from dfkd_ray.tune import Summary

TERMINAL = Audience(say=typer.echo, going_on=options.going_on_with)


def close(summary: Summary) -> None:
    """Exit code 3 where trials failed, or none is complete."""
    if (said := outcome.lacking(summary)) is not None:
        typer.echo(said, err=True)
        raise typer.Exit(GivenUp.exit_code)
