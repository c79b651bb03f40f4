"""`teach` a teacher on the real images of its task."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dfkd_ray.cli import app, completion, options, training
from dfkd_ray.cli.real_images import ImageOptions
from dfkd_ray.metrics import QUALITY, Quality
from dfkd_ray.util.words import share

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task
    from dfkd_ray.teachers import TeacherEpoch
    from dfkd_ray.tune.observers.lone import Lone

Taught = Annotated[
    str,
    typer.Argument(
        metavar="TASK",
        help="A name (see `ls tasks`), a YAML file or folder:PATH.",
        autocompletion=completion.tasks,
    ),
]
Epochs = Annotated[
    int | None,
    typer.Option(callback=options.bounded, help="In place of the recipe's.", show_default="the recipe's"),
]
Arch = Annotated[
    str | None,
    typer.Option(help="Architecture (see `ls nets`).", show_default="the task's", autocompletion=completion.nets),
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
    task: Taught,
    images: ImageOptions,
    arch: Arch = None,
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
    track: options.Track = None,
    plugin: options.Plugin = None,
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
    settings: dict[str, Any] = {"recipe": recipe, "pretrained": pretrained, "fresh": fresh, "data": there}
    settings |= {"download": download, "cache": cache, "precision": runtime.precision, "device": str(runtime.open())}
    told: list[TeacherEpoch] = []
    followed = _followed(track, path, {"task": spec.name, "arch": arch, "seed": seed, **asdict(recipe)}, fresh)
    _open(spec, there)
    quality = QUALITY[spec.targets]
    with options.going_on_with("dfkd-ray", *_again()), followed:
        settings["report"] = training.reporter(told, _line, _telling(followed, quality))
        card = teachers.teach(spec, arch, seed, out=path, **settings)
        followed.end({f"accuracy/{which}": value for which, value in card["accuracy"].items()})
    typer.echo(_outcome(path, bool(told), f"{arch} on {spec.name}, {quality.said}", card))


def _open(task: Task, data: Path | None) -> None:
    """Say how a folder is split, and what of it is not used."""
    from dfkd_ray.datasets import spoken, unused

    if task.split is not None:
        typer.echo(f"{task.name} has no splits of its own: it is split {task.split} by class, into train, val and test")
    if left := str(unused.of_task(task, data)):
        typer.echo(f"not used: {left} (`dfkd-ray data verify {spoken(task)}` names them)")


def _again() -> list[str]:
    """The words of the command that goes on."""
    return [word for word in sys.argv[1:] if word != "--fresh"]


def _outcome(path: Path, trained: bool, what: str, card: Mapping[str, Any]) -> str:
    wrote = f"wrote {path} and its card" if trained else f"{path} is there"
    accuracies = ", ".join(f"{which} {share(value)}" for which, value in card["accuracy"].items())
    return f"{wrote}: {what} {accuracies}, {card['seconds']:.0f} s"


def _followed(track: list[str] | None, path: Path, settings: Mapping[str, Any], fresh: bool) -> Lone:
    """Trackers of a teacher; what they keep on this disk goes beside its file."""
    from dfkd_ray.tune.observers.lone import Lone

    return Lone(track or (), path.stem, path.with_suffix(".tracked"), settings, fresh)


def _telling(followed: Lone, quality: Quality) -> Callable[[TeacherEpoch], None]:
    def tell(epoch: TeacherEpoch) -> None:
        followed.point(epoch.epoch, {"loss": epoch.loss, quality.val: epoch.val_accuracy}, epoch.seconds)

    return tell


def _line(epoch: TeacherEpoch) -> str:
    number = f"epoch {epoch.epoch:>{len(str(epoch.epochs))}}/{epoch.epochs}"
    return f"{number}  loss {epoch.loss:.3f}  val {share(epoch.val_accuracy)}  {epoch.seconds:.0f} s"
