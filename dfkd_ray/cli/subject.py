"""What a run is of: a task and its networks, or a teacher that comes without a task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import completion, options
from dfkd_ray.util.errors import ConfigError

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task

PANEL = "A teacher without a task (what its card says may be left out)"


@dataclass(frozen=True)
class Subject:
    """The options of a command that runs one student; see `options.unfolded`."""

    task: Annotated[
        str | None,
        typer.Option(
            help="A name (see `ls tasks`), a YAML file or folder:PATH; with --weights and no task the teacher is all.",
            show_default="gliders, without --weights",
            autocompletion=completion.tasks,
        ),
    ] = None
    teacher_arch: Annotated[
        str | None,
        typer.Option(
            help="Short for --set teacher.arch=...: see `ls nets`, or timm:NAME.",
            show_default="what the file tells",
            autocompletion=completion.nets,
        ),
    ] = None
    student_arch: Annotated[
        str | None,
        typer.Option(
            help="Short for --set student.arch=...", show_default="the task's", autocompletion=completion.nets
        ),
    ] = None
    classes: Annotated[
        int | None, typer.Option(min=2, callback=options.bounded, help="How many.", rich_help_panel=PANEL)
    ] = None
    size: Annotated[
        int | None,
        typer.Option(min=1, callback=options.bounded, help="Of its images, in pixels.", rich_help_panel=PANEL),
    ] = None
    channels: Annotated[
        int | None,
        typer.Option(min=1, callback=options.bounded, help="Of its images.", rich_help_panel=PANEL, show_default="3"),
    ] = None
    mean: Annotated[
        str | None,
        typer.Option(
            help="Of its input in [0, 1], a number a channel: 0.485,0.456,0.406.",
            rich_help_panel=PANEL,
            show_default="above 64 pixels ImageNet's",
        ),
    ] = None
    std: Annotated[str | None, typer.Option(help="Likewise.", rich_help_panel=PANEL)] = None

    def assigned(self, changes: list[str] | None) -> dict[str, Any]:
        """The changes of `--set`, with the architectures."""
        from dfkd_ray.runs.subject import with_nets

        nets = {"teacher.arch": self.teacher_arch, "student.arch": self.student_arch}
        return with_nets(options.assignments(changes), nets)

    def chosen(self, arch: str | None, weights: Path | None) -> str | Task:
        """The named task, the teacher in `weights` alone (`arch`: its net), or where there is neither the default."""
        from dfkd_ray.runs import subject

        stated = {name: getattr(self, name) for name in ("classes", "size", "channels")}
        stated |= {name: _numbers(name, getattr(self, name)) for name in ("mean", "std")}
        return subject.chosen(self.task, arch, weights, typer.echo, **stated)


def _numbers(name: str, text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise ConfigError.at(f"--{name}", f"expected numbers such as 0.485,0.456,0.406, got {text!r}") from None
