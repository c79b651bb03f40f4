"""Pools of synthetic images: `synthesize` fills one, on this machine or on many GPUs."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from dfkd_ray.cli import app, options
from dfkd_ray.cli.subject import Subject
from dfkd_ray.tune.options import Options
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.words import counted

if TYPE_CHECKING:
    from dfkd_ray.runs.synthesis import Synthesis

Format = Annotated[Literal["png", "jpeg", "webp"], typer.Option(help="Of the image files; png is lossless.")]


@dataclass(frozen=True)
class Kept:
    """How the images are kept."""

    out: Annotated[
        Path | None, typer.Option(callback=options.on_disk, help="Folder.", show_default="pools/<method>-<task>")
    ] = None
    pixels: Annotated[
        int | None,
        typer.Option(
            min=1, callback=options.bounded, help="Side of the images as they are kept.", show_default="the task's"
        ),
    ] = None
    format: Format = "png"


@dataclass(frozen=True)
class Cluster:
    """What a shard takes under Ray: as of a trial, see `Options`."""

    address: options.Address = None
    insecure: options.Insecure = False
    cpu: options.Cpu = None
    gpu: options.Gpu = None
    memory: options.Memory = None
    accelerator: options.Accelerator = None
    custom: options.Custom = None
    wait: options.Wait = None

    @property
    def said(self) -> Options:
        return Options(**{**vars(self), "custom": tuple(self.custom or ())})


@app.command()
@options.unfolded
def synthesize(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="A method whose source is diffusion, by name, or a YAML file.")
    ],
    subject: Subject,
    images: Annotated[
        int, typer.Option(min=1, callback=options.bounded, help="How many there should be, in whole trajectories.")
    ],
    kept: Kept,
    cluster: Cluster,
    shards: Annotated[
        str, typer.Option(metavar="N or I/N", help="N: all of N, side by side under Ray. I/N: the I-th of N, here.")
    ] = "1",
    weights: options.Weights = None,
    changes: options.Set = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: options.Threads = 0,
) -> None:
    """Fill a pool of images by diffusion, guided by the teacher. The same command again makes what is missing."""
    from dfkd_ray.methods import config
    from dfkd_ray.runs import preparing
    from dfkd_ray.runs.subject import folder_name
    from dfkd_ray.runs.synthesis import Synthesis

    asked = cluster.said
    index, of = _shards(shards)
    resolved = config.change(config.load(method), subject.assigned(changes))
    how = Options(weights=weights, device=device, precision=precision, threads=threads)
    on = subject.chosen(resolved.teacher.arch, weights)
    work = preparing.prepare(resolved, on, how)
    folder = kept.out or Path("pools") / f"{Path(method).stem}-{folder_name(on)}"
    what = Synthesis(work, str(folder.resolve()), images, seed, of, kept.pixels, kept.format)
    with options.going_on_with("dfkd-ray", *sys.argv[1:]):
        if index is None and of > 1:
            _under_ray(what, asked)
        else:
            _here(what, index or 1)
    typer.echo(f"the pool is {folder}")


def _shards(text: str) -> tuple[int | None, int]:
    """ "2/4": (2, 4); "4": (None, 4)."""
    found = re.fullmatch(r"(?:(\d{1,4})/)?(\d{1,4})", text)
    index, of = (None if part is None else int(part) for part in found.groups()) if found else (0, 0)
    if not of or (index is not None and not 1 <= index <= of):
        raise ConfigError.at("--shards", f"expected a number of shards, or one of them such as 2/4, got {text!r}")
    return index, of


def _here(what: Synthesis, index: int) -> None:
    """One shard, in this process, with a word for each trajectory."""
    names, count = what.work.task.classes, len(what.mine(index))
    for made in what.fill(index):
        number = f"trajectory {made.trajectory // what.shards + 1:>{len(str(count))}}/{count}"
        typer.echo(f"{number}  {names[made.label]}  {counted(made.images, 'image')}  {made.seconds:.1f} s")


def _under_ray(what: Synthesis, cluster: Options) -> None:
    """All shards, on the shares of a cluster."""
    from dfkd_ray.study import Resources
    from dfkd_ray.tune.ray_setup import environment

    share, device = cluster.resources(Resources()), what.work.runtime.device

    def fill(index: int) -> int:
        return sum(1 for _ in what.fill(index))

    with environment(cluster.address):
        from dfkd_ray.tune import ray_shards

        numbers = range(1, what.shards + 1)
        each = ray_shards.each(
            fill, numbers, share, cluster.address, cluster.insecure, wait=cluster.wait, device=device
        )
        for index, made in each:
            wanted = counted(len(what.mine(index)), "trajectory", "trajectories")
            typer.echo(f"shard {index} of {what.shards}: made now {made} of {wanted}")
