"""Which student a command takes: that of a run, or one in a file of weights."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from dfkd_ray.runs.students import Distilled


class Which(StrEnum):
    """Which student of a run."""

    last = "last"
    best = "best"


@dataclass(frozen=True)
class Student:
    """The options of every command that takes a finished student; see `options.unfolded`."""

    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="The folder of a `distill`.", show_default=False)
    ] = None
    which: Annotated[
        Which, typer.Option("--which", help="Of a run: the student of its last epoch, or of its best by validation.")
    ] = Which.last
    weights: Annotated[
        Path | None, typer.Option(help="In place of a run: the student's weights (.safetensors, .pt, .pth).")
    ] = None
    arch: Annotated[
        str | None, typer.Option(help="Of --weights (see `ls nets`).", show_default="what its card says")
    ] = None
    task: Annotated[
        str | None, typer.Option(help="A task by name, a YAML file or folder:PATH.", show_default="that of the run")
    ] = None
    teacher: Annotated[
        Path | None, typer.Option(help="The teacher's weights.", show_default="that of the run, or the task's own")
    ] = None
    teacher_arch: Annotated[str | None, typer.Option(help="Of --teacher.", show_default="what its card says")] = None

    def open(self) -> Distilled:
        """Both networks; a usage error where it is not clear which are meant."""
        from dfkd_ray.runs import students

        if (self.run is None) == (self.weights is None):
            raise typer.BadParameter("give either RUN, the folder of a `distill`, or --weights FILE with --task")
        if self.run is not None:
            if self.arch is not None:
                raise typer.BadParameter("--arch is for --weights: a run knows its own")
            return students.of_run(self.run, self.which.value, self.task, self.teacher, self.teacher_arch)
        if self.task is None:
            raise typer.BadParameter("--weights needs --task: a name (see `ls tasks`), a YAML file or folder:PATH")
        if self.which is not Which.last:
            raise typer.BadParameter("--which is for a RUN")
        assert self.weights is not None
        return students.of_file(self.weights, self.arch, self.task, self.teacher, self.teacher_arch)

    def folder(self, what: str) -> Path:
        """Where a command leaves `what` unless it is told: in the run, or under reports/."""
        if self.run is not None:
            return self.run / f"{what}-{self.which.value}"
        assert self.weights is not None
        return Path("reports") / f"{what}-{self.weights.stem}"
