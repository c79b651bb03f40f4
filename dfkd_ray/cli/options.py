"""Options that several commands share, and what they mean."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from dfkd_ray.errors import ConfigError

Data = Annotated[
    Path | None,
    typer.Option(help="Folder or .npz file of the task's real images, read for evaluation only."),
]
Weights = Annotated[
    Path | None,
    typer.Option(help="The teacher: a plain state_dict (.pt, .pth) or .safetensors; a card (.json) beside it is read."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a path of the method, e.g. --set schedule.epochs=20; null removes a loss term."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Precision = Annotated[str, typer.Option(help="float32 or bfloat16 (autocast).")]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's choice.")]
Seed = Annotated[int, typer.Option(help="Of initial weights and of all noise.")]


@contextmanager
def going_on_with(*command: str) -> Iterator[None]:
    """Ctrl-C within the block ends with exit code 130 and the command (word by word) that goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted; resume with: {shlex.join(command)}", err=True)
        raise typer.Exit(130) from None


def assignments(pairs: list[str] | None) -> dict[str, Any]:
    """`["a.b=1", "c=null"]` as changes; ConfigError for what is no assignment."""
    from dfkd_ray import yamls

    changes: dict[str, Any] = {}
    for pair in pairs or []:
        path, equals, text = pair.partition("=")
        if not equals or not path:
            raise ConfigError.at("--set", f"expected path=value, got {pair!r}")
        if path in changes:
            raise ConfigError.at("--set", f"{path} is given twice")
        try:
            changes[path] = yamls.value(text)
        except ConfigError as error:
            raise ConfigError.at("--set", f"{path}: {error.problems[0].message}") from None
    return changes
