"""Which real images a command reads, where that is a choice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfkd_ray.cli import options

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task

PANEL = "Real images"
Shares = Annotated[
    str | None,
    typer.Option(
        "--split",
        metavar="TRAIN/VAL/TEST",
        help="Of class folders, or a table, without splits: per cent of each class, and :SEED to draw others.",
        show_default="80/10/10",
        rich_help_panel=PANEL,
    ),
]


@dataclass(frozen=True)
class Reading:
    """How many images may be damaged, and how many are set aside; see `options.unfolded`."""

    skip_damaged: Annotated[
        int | None,
        typer.Option(
            min=0,
            callback=options.bounded,
            help="Leave out, and name, up to so many damaged files of each split.",
            show_default="0: a damaged file is an error",
            rich_help_panel=PANEL,
        ),
    ] = None
    hold_out: Annotated[
        float | None,
        typer.Option(
            min=0,
            callback=options.bounded,
            help="Of data without validation images: how many of its others are set aside for that, below 1 a share.",
            show_default="the task's",
            rich_help_panel=PANEL,
        ),
    ] = None

    def over(self, task: Task, shares: str | None = None) -> Task:
        """The task read so; ConfigError where it cannot be."""
        from dfkd_ray.runs.subject import read_as

        return read_as(task, self.skip_damaged, self.hold_out, shares)


@dataclass(frozen=True)
class ImageOptions(Reading):
    """The same, and how class folders are split."""

    shares: Shares = None

    def of(self, task: str | Task) -> str | Task:
        """A task by name or made; the same where nothing was said, else one that is read as it was."""
        from dfkd_ray.runs.subject import of_images

        return of_images(task, skip_damaged=self.skip_damaged, hold_out=self.hold_out, shares=self.shares)

    def load(self, name: str) -> Task:
        """The task by name, read so."""
        from dfkd_ray import datasets

        return self.over(datasets.load(name), self.shares)


def kind_of_file(name: str) -> str | None:
    """Whether a YAML file of one's own says a study, a task or a method, by the keys of each; None for no such file."""
    from dfkd_ray.util import yamls

    if Path(name).suffix not in (".yaml", ".yml"):
        return None
    said = yamls.load(Path(name)).data
    keys = {*said} if isinstance(said, dict) else set()
    return "study" if "study" in keys else "task" if keys & {"reader", "of", "classes", "image"} else "method"
