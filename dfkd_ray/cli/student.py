"""Which student a command takes: that of a run, of a study, or one in a file of weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dfkd_ray.cli import completion, options

if TYPE_CHECKING:
    from dfkd_ray.runs.students import Distilled
    from dfkd_ray.tune.chosen import Chosen

Run = Annotated[
    Path | None,
    typer.Argument(
        metavar="RUN",
        help="The folder of a run, or of a study: then its best trial, or the one that is named.",
        show_default=False,
        autocompletion=completion.runs,
    ),
]


@dataclass(frozen=True)
class TrialOptions:
    """Which trial of a study; see `options.unfolded`."""

    trial: Annotated[
        int | None, typer.Option(min=0, callback=options.bounded, help="Of a study: the trial with this number.")
    ] = None
    arm: Annotated[str | None, typer.Option(help="Of an ablation: the trial of this arm, and --seed.")] = None
    seed: Annotated[int | None, typer.Option(callback=options.bounded, help="Of --arm.")] = None

    @property
    def given(self) -> list[str]:
        """The options of these that were given."""
        return [f"--{name}" for name in ("trial", "arm", "seed") if getattr(self, name) is not None]

    def choose(self, path: Path) -> Chosen:
        """The run's folder, and where it is one of several, which one."""
        from dfkd_ray.tune.chosen import choose

        return choose(path, self.trial, self.arm, self.seed)

    def page_of(self, path: Path) -> tuple[Path, int | None]:
        """The study's folder, and the trial whose page is meant; None: the study's own."""
        from dfkd_ray.tune.chosen import page_of

        return page_of(path, self.trial, self.arm, self.seed)

    def method_of(self, path: Path) -> Iterator[str]:
        """Lines of YAML: which run it was, as comments, and its method, as `distill` takes it again."""
        from dfkd_ray.methods import config
        from dfkd_ray.runs.tried import tried
        from dfkd_ray.util import yamls

        method, told = tried(path, self.trial, self.arm, self.seed)
        yield from (f"# {name}: {value}" for name, value in told.items() if value is not None)
        yield yamls.dump(config.plain(method), default_flow_style=None).rstrip()


@dataclass(frozen=True)
class StudentOptions(TrialOptions):
    """The options of every command that takes a finished student; see `options.unfolded`."""

    run: Run = None
    which: Annotated[
        Literal["last", "best"],
        typer.Option("--which", help="Of a run: the student of its last epoch, or of its best by validation."),
    ] = "last"
    weights: Annotated[Path | None, typer.Option(help="In place of a run: a file with the student's weights.")] = None
    arch: Annotated[
        str | None,
        typer.Option(
            help="Of --weights (see `ls nets`).", show_default="what its card says", autocompletion=completion.nets
        ),
    ] = None
    task: Annotated[
        str | None,
        typer.Option(
            help="A task by name, a YAML file or folder:PATH.",
            show_default="that of the run",
            autocompletion=completion.tasks,
        ),
    ] = None
    teacher: Annotated[
        Path | None, typer.Option(help="The teacher's weights.", show_default="that of the run, or the task's own")
    ] = None
    teacher_arch: Annotated[
        str | None,
        typer.Option(help="Of --teacher.", show_default="what its card says", autocompletion=completion.nets),
    ] = None
    plugin: options.Plugin = None

    def open(self, quiet: bool = False) -> tuple[Distilled, Path]:
        """Both networks, and where what is made of them goes; a usage error where it is not clear which are meant.

        quiet: which trial it is of several is not said.
        """
        from dfkd_ray.runs import students

        if (self.run is None) == (self.weights is None):
            raise typer.BadParameter("give either RUN, the folder of a run or of a study, or --weights FILE")
        if self.run is not None:
            if self.arch is not None:
                raise typer.BadParameter("--arch is for --weights: a run knows its own")
            chosen = self.choose(self.run)
            if chosen.said and not quiet:
                typer.echo(chosen.said)
            folder = chosen.folder
            found = students.of_run(folder, self.which, self.task, self.teacher, self.teacher_arch)
            return found, folder
        assert self.weights is not None
        if self.given:
            raise typer.BadParameter(f"{self.given[0]} is for a RUN")
        if self.which != "last":
            raise typer.BadParameter("--which is for a RUN")
        found = students.of_file(self.weights, self.arch, self.task, self.teacher, self.teacher_arch)
        return found, Path("reports")

    def called(self, what: str) -> str:
        """How the folder of what is made is called."""
        return f"{what}-{self.which}" if self.weights is None else f"{what}-{self.weights.stem}"
