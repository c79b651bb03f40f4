"""One run: `distill` a student. A study of one trial, so all that is done with a study can be done with it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dfkd_ray.cli import app, completion, listening, options
from dfkd_ray.cli.real_images import ImageOptions
from dfkd_ray.cli.subject import Subject
from dfkd_ray.tune.options import Options

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task

Epochs = Annotated[
    int | None, typer.Option(min=1, callback=options.bounded, help="How many.", show_default="the method's")
]
Named = Annotated[
    str,
    typer.Argument(
        metavar="METHOD",
        help="A method by name (see `ls methods`), or a YAML file.",
        autocompletion=completion.methods,
    ),
]
FromPool = Annotated[
    Path | None,
    typer.Option("--pool", help="Learn from this pool of images (see `pool ls`) in place of the method's own source."),
]


@app.command()
@options.unfolded
def distill(
    method: Named,
    subject: Subject,
    images: ImageOptions,
    how: Options,
    changes: options.Set = None,
    epochs: Epochs = None,
    pool: FromPool = None,
    preset: options.Preset = None,
    seed: options.Seed = 0,
    accept_changes: options.AcceptChanges = False,
) -> None:
    """Teach one student without training data. The same command again goes on where it was stopped.

    --pool is short for --set source='{name: stored, folder: POOL}', which a study may have too, under `fixed`, and for
    no memory, warm-up and source loss beside it.
    """
    from dfkd_ray.runs import solo
    from dfkd_ray.study.overrides import Overrides

    def find(arch: str | None, weights: Path | None) -> str | Task:
        return images.of(subject.chosen(arch, weights))

    asked = Overrides(subject.assigned(changes), epochs=epochs, preset=preset)
    to = replace(listening.TERMINAL, going_on=lambda *command: options.going_on_with("dfkd-ray", *sys.argv[1:]))
    solo.distill(method, find, how, to, asked, pool=pool, seed=seed, accept=accept_changes)
