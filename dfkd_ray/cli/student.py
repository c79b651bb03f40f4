"""Which student a command takes: that of a run, of a study, or one in a file of weights."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from dfkd_ray.runs.chosen import Chosen
    from dfkd_ray.runs.students import Distilled

Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN",
        help="The folder of a run, or of a study: then its best trial, or the one that is named.",
        show_default=False,
    ),
]


@dataclass(frozen=True)
class TrialOptions:
    """Which trial of a study; see `options.unfolded`."""

    trial: Annotated[int | None, typer.Option(min=0, help="Of a study: the trial with this number.")] = None
    arm: Annotated[str | None, typer.Option(help="Of an ablation: the trial of this arm, and --seed.")] = None
    seed: Annotated[int | None, typer.Option(help="Of --arm.")] = None

    def choose(self, path: Path) -> Chosen:
        """The run's folder; where it is one of several, which one is said."""
        from dfkd_ray.runs.chosen import choose

        chosen = choose(path, self.trial, self.arm, self.seed)
        if chosen.said:
            typer.echo(chosen.said)
        return chosen


@dataclass(frozen=True)
class StudentOptions(TrialOptions):
    """The options of every command that takes a finished student; see `options.unfolded`."""

    run: Run = None
    which: Annotated[
        Literal["last", "best"],
        typer.Option("--which", help="Of a run: the student of its last epoch, or of its best by validation."),
    ] = "last"
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

    def open(self) -> tuple[Distilled, Path]:
        """Both networks, and where what is made of them goes; a usage error where it is not clear which are meant."""
        from dfkd_ray.runs import students

        if (self.run is None) == (self.weights is None):
            raise typer.BadParameter("give either RUN, the folder of a run or of a study, or --weights FILE")
        if self.run is not None:
            if self.arch is not None:
                raise typer.BadParameter("--arch is for --weights: a run knows its own")
            folder = self.choose(self.run).folder
            found = students.of_run(folder, self.which, self.task, self.teacher, self.teacher_arch)
            return found, folder
        assert self.weights is not None
        for name in ("trial", "arm", "seed"):
            if getattr(self, name) is not None:
                raise typer.BadParameter(f"--{name} is for a RUN")
        if self.which != "last":
            raise typer.BadParameter("--which is for a RUN")
        found = students.of_file(self.weights, self.arch, self.task, self.teacher, self.teacher_arch)
        return found, Path("reports")

    def called(self, what: str) -> str:
        """How the folder of what is made is called."""
        return f"{what}-{self.which}" if self.weights is None else f"{what}-{self.weights.stem}"
