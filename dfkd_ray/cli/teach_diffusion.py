"""`teach-diffusion`: a small diffusion model from the real images of a task."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, options, training

if TYPE_CHECKING:
    from dfkd_ray.teachers.diffusion_course import DiffusionEpoch

Out = Annotated[Path | None, typer.Option(callback=options.on_disk, help="Folder.", show_default="diffusion/<task>")]


@app.command("teach-diffusion")
def _teach_diffusion(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A name (see `ls tasks`), a YAML file or folder:PATH.")],
    out: Out = None,
    epochs: Annotated[
        int | None, typer.Option(help="Of the U-Net, in place of the recipe's.", show_default="the recipe's")
    ] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change the recipe, e.g. --set recipe.coder_epochs=2.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Train anew, whatever stands there.")] = False,
    seed: options.Seed = 0,
    data: options.OwnImages = None,
    download: Annotated[bool, typer.Option("--download", help="Download the data set if it is missing.")] = False,
    cache: options.Cache = "memmap",
    device: options.Device = "auto",
    threads: options.Threads = 0,
) -> None:
    """Train a small text-to-image diffusion model, for the source `diffusion` where no large one can be downloaded.

    It sees the training images of the task, as Stable Diffusion has seen its own: what is distilled with it is a test
    of the method, neither comparable with its paper nor strictly data-free. Writes a folder that `diffusers` opens.
    The same command goes on.
    """
    from dfkd_ray import datasets
    from dfkd_ray.teachers.diffusion_course import DiffusionRecipe
    from dfkd_ray.teachers.teach_diffusion import teach_diffusion
    from dfkd_ray.train.runtime import parse_runtime

    spec, recipe = datasets.load(task), training.changed(DiffusionRecipe(), epochs, changes)
    folder = out or Path("diffusion") / spec.slug
    where = str(parse_runtime({"device": device, "threads": threads, "cache": cache}).open())
    settings: dict[str, Any] = {"recipe": recipe, "fresh": fresh, "device": where}
    settings |= {"data": datasets.local(data), "download": download, "cache": cache}
    again = [word for word in sys.argv[1:] if word != "--fresh"]
    told: list[DiffusionEpoch] = []
    with options.going_on_with("dfkd-ray", *again):
        card = teach_diffusion(spec, seed, out=folder, report=training.reporter(told, _line), **settings)
    weights = sum(card["parameters"].values())
    wrote = f"wrote {folder}" if told else f"{folder} is there"
    typer.echo(f"{wrote}: {weights:,} parameters, trained on images of {spec.name}, {card['seconds']:.0f} s")


def _line(epoch: DiffusionEpoch) -> str:
    number = f"{epoch.part:<12}  epoch {epoch.epoch:>{len(str(epoch.epochs))}}/{epoch.epochs}"
    return f"{number}  loss {epoch.loss:.4f}  {epoch.seconds:.0f} s"
