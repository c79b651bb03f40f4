"""`pool prune`: keep a part of a pool, for `source.keep` of the source stored."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from dfkd_ray.cli import options
from dfkd_ray.cli.pool import Folder, Intermediate, Task, Weights, pool, teacher_of
from dfkd_ray.util.errors import DataError

Score = Annotated[
    Literal["teacher_loss", "student_gradient", "herding"],
    typer.Option(help="What is kept: images that the teacher is surer of, that teach a student most, or a sketch."),
]
ByClass = Annotated[
    Literal["none", "balanced", "loss"],
    typer.Option("--by-class", help="How often classes are drawn: as they come, all alike, or by the loss."),
]
Name = Annotated[
    str | None, typer.Option(help="Of the selection.", show_default="the score and the share, herding-0.5")
]
StudentFile = Annotated[Path | None, typer.Option(help="For student_gradient: the student's weights.")]
StudentArch = Annotated[str | None, typer.Option(help="Of --student.", show_default="what its card says")]


@pool.command()
def prune(
    folder: Folder,
    keep: Annotated[float, typer.Option(callback=options.bounded, help="The share of each class that is kept.")],
    score: Score = "teacher_loss",
    by_class: ByClass = "none",
    name: Name = None,
    intermediate: Intermediate = False,
    student: StudentFile = None,
    student_arch: StudentArch = None,
    task: Task = None,
    weights: Weights = None,
    device: options.Device = "auto",
) -> None:
    """Choose a share of a pool by a score, class by class; nothing is deleted, `source.keep: NAME` reads it so."""
    from dfkd_ray.datasets.pools import Pool, selection
    from dfkd_ray.runs import pruning, students
    from dfkd_ray.train.runtime import parse_runtime

    found, where = Pool.open(folder).still(), parse_runtime({"device": device}).open()
    teacher = teacher_of(found, task, weights)
    if teacher is None:
        raise DataError(f"no teacher of {found.card.task} here, and its word is needed: give --weights")
    seen, net = teacher
    images = found.images(intermediate)
    if not len(images.labels):
        raise DataError(f"{folder}: no image is in this pool yet")
    said = None
    if student is not None:
        other = students.of_file(student, student_arch, seen, None, None).student
        said = pruning.look(other.net, other.task, images.images, where)
    told = pruning.look(net, seen, images.images, where)
    made = pruning.selected(images, found.digest, told, said, score, keep, by_class)
    called = name or f"{score}-{keep:g}"
    path = selection.write(folder, called, made)
    typer.echo(f"{len(made.rows):,} of {len(images.labels):,} images kept by {score}: {path}")
    typer.echo(f"a study reads them by source.keep: {called} and source.intermediate: {str(made.intermediate).lower()}")
