"""`evaluate --transfer`: how well a student's features serve another task, beside its teacher's and others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import completion, printing
from dfkd_ray.util import words
from dfkd_ray.util.errors import ConfigError

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task
    from dfkd_ray.runs.students import Distilled
    from dfkd_ray.train.runtime import Runtime

UNTRAINED = "untrained"
PANEL = "Another task"
Transfer = Annotated[
    str | None,
    typer.Option(
        metavar="TASK",
        help="Fit a linear probe on the frozen features, on the real images of another task, instead.",
        show_default=False,
        autocompletion=completion.tasks,
        rich_help_panel=PANEL,
    ),
]
Scratch = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="With --transfer: weights of a student of the same net that learned from real images (`teach`).",
        show_default="one that has learned nothing",
        rich_help_panel=PANEL,
    ),
]


def probed(
    distilled: Distilled,
    other: Task,
    scratch: Path | None,
    data: Path | None,
    runtime: Runtime,
    folder: Path,
    as_json: bool,
) -> None:
    """Fits the probes, leaves `transfer.json` in the folder, and says what came out."""
    from dfkd_ray import datasets
    from dfkd_ray.runs import students
    from dfkd_ray.runs.evaluation.transfer import transfer
    from dfkd_ray.util.files import atomic_write
    from dfkd_ray.util.provenance import provenance

    own = distilled.task
    for task in (own, other):
        if task.targets != "classes":
            why = f"the targets of {task.name} are {task.targets}, and a probe names the class of an image"
            raise ConfigError.at("--transfer", f"{why}: it needs a student and a task whose targets are classes")
    if other.image[0] > own.image[0]:
        found = f"{other.name} has {other.image[0]} channels, and {own.name} {own.image[0]}"
        raise ConfigError.at("", f"{found}: --transfer needs a task that fits the student")
    other = replace(other, image=own.image, mean=own.mean, std=own.std)
    parts = {which: datasets.split(other, which, data, cache=runtime.cache) for which in ("train", "val", "test")}
    third = UNTRAINED if scratch is None else "from scratch"
    networks = distilled.networks | {third: students.same_net(distilled.student, scratch)}
    made = transfer(networks, parts, runtime.open())
    nets = {name: {"arch": net.arch, "weights": net.weights.name} for name, net in networks.items()}
    note = {"task": other.name, "of": own.name, "networks": nets, "run": dict(distilled.run)}
    folder.mkdir(parents=True, exist_ok=True)
    record = {**note, **made, "provenance": provenance()}
    with atomic_write(folder / "transfer.json") as file:
        file.write(json.dumps(record, indent=2, default=str).encode())
    if as_json:
        return printing.as_json(record)
    for line in (*said(other.name, made), f"wrote {folder / 'transfer.json'}"):
        typer.echo(line)


def said(task: str, made: Mapping[str, Any]) -> Iterator[str]:
    """The accuracies of the probes, and the differences, each with its 95 % interval."""
    images = ", ".join(f"{words.number(count)} {which}" for which, count in made["images"].items())
    yield f"a linear probe on frozen features, {task} ({images} images); 95 % intervals over test images"
    width = max(map(len, made["accuracy"]))
    for name, found in made["accuracy"].items():
        low, high = (words.share(found[end]) for end in ("low", "high"))
        yield f"{name:<{width}}  {words.share(found['value'])} [{low}, {high}]"
    for name, found in made["student_minus"].items():
        low, high = (f"{100 * found[end]:+.1f}" for end in ("low", "high"))
        yield f"student - {name}: {100 * found['value']:+.1f} points [{low}, {high}]"
