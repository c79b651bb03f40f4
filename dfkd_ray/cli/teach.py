"""`teach` a teacher on the real images of its task."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dfkd_ray.cli import app, options, training
from dfkd_ray.cli.real_images import ImageOptions
from dfkd_ray.util.words import share

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task
    from dfkd_ray.teachers import TeacherEpoch

Epochs = Annotated[
    int | None,
    typer.Option(callback=options.bounded, help="In place of the recipe's.", show_default="the recipe's"),
]
Init = Annotated[
    Literal["scratch", "imagenet"],
    typer.Option(help="From random weights, or from ImageNet's, which is another recipe too."),
]
Out = Annotated[
    Path | None,
    typer.Option(callback=options.on_disk, help="File.", show_default="teachers/<task>_<arch>.safetensors"),
]

Changes = Annotated[list[str] | None, typer.Option("--set", help="Change the recipe, e.g. --set recipe.lr=0.01.")]


@app.command()
@options.unfolded
def teach(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A name (see `ls tasks`), a YAML file or folder:PATH.")],
    images: ImageOptions,
    arch: Annotated[str | None, typer.Option(help="Architecture (see `ls nets`).", show_default="the task's")] = None,
    init: Init = "scratch",
    epochs: Epochs = None,
    changes: Changes = None,
    out: Out = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train anew, whatever stands there.")] = False,
    seed: options.Seed = 0,
    data: options.OwnImages = None,
    download: Annotated[bool, typer.Option("--download", help="Download the data set if it is missing.")] = False,
    cache: options.Cache = "memmap",
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: options.Threads = 0,
) -> None:
    """Train a teacher on the real images of its task; writes the weights and a card. The same command goes on."""
    from dfkd_ray import datasets, teachers
    from dfkd_ray.teachers.lookup import teacher_file
    from dfkd_ray.train.runtime import parse_runtime

    spec, there = images.load(task), datasets.local(data)
    arch, pretrained = arch or spec.teacher.arch, init == "imagenet"
    recipe = training.changed(spec.recipe_from(pretrained), epochs, changes)
    path = out or Path("teachers") / teacher_file(spec.slug, arch)
    runtime = parse_runtime({"device": device, "precision": precision, "threads": threads, "cache": cache})
    where = str(runtime.open())
    settings: dict[str, Any] = {"recipe": recipe, "pretrained": pretrained, "fresh": fresh}
    settings |= {"data": there, "download": download, "cache": cache, "device": where, "precision": runtime.precision}
    again = [word for word in sys.argv[1:] if word != "--fresh"]
    told: list[TeacherEpoch] = []
    for line in _opening(spec, there):
        typer.echo(line)
    with options.going_on_with("dfkd-ray", *again):
        card = teachers.teach(spec, arch, seed, out=path, report=training.reporter(told, _line), **settings)
    wrote = f"wrote {path} and its card" if told else f"{path} is there"
    accuracies = ", ".join(f"{which} {share(value)}" for which, value in card["accuracy"].items())
    typer.echo(f"{wrote}: {arch} on {spec.name}, accuracy {accuracies}, {card['seconds']:.0f} s")


def _opening(task: Task, data: Path | None) -> Iterator[str]:
    """How a folder is split, and what of it is not used."""
    from dfkd_ray.datasets import spoken, unused

    if task.split is not None:
        yield f"{task.name} has no splits of its own: it is split {task.split} by class, into train, val and test"
    if left := str(unused.of_task(task, data)):
        yield f"not used: {left} (`dfkd-ray data verify {spoken(task)}` names them)"


def _line(epoch: TeacherEpoch) -> str:
    number = f"epoch {epoch.epoch:>{len(str(epoch.epochs))}}/{epoch.epochs}"
    return f"{number}  loss {epoch.loss:.3f}  val {share(epoch.val_accuracy)}  {epoch.seconds:.0f} s"
