"""Teachers that are there and those that are public: `teachers ls`, `inspect`, `fetch`, `verify`."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, options, printing
from dfkd_ray.util.errors import ConfigError, DataError
from dfkd_ray.util.words import DASH, counted, share

if TYPE_CHECKING:
    from dfkd_ray.datasets import Task
    from dfkd_ray.teachers.lookup import TeacherFile

teachers = typer.Typer(no_args_is_help=True, help="The teachers that are there, and public ones.")
app.add_typer(teachers, name="teachers")

BY_CHANCE = 3  # standard errors that a measured accuracy may be from the stated one
Folder = Annotated[Path, typer.Option("--out", callback=options.on_disk, help="Folder.")]


@teachers.command()
def ls(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="teachers/, $DFKD_RAY_TEACHERS and teachers/ among the data sets."),
    ] = None,
    known: Annotated[bool, typer.Option("--known", help="Public ones, which `teachers fetch` brings.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Compare each file with the sha256 of its card.")] = False,
    json: printing.Json = False,
) -> None:
    """List teachers with what their cards say; those with something wrong too, which is exit code 2 with --check."""
    from dfkd_ray.teachers.lookup import teacher_folders, teachers_in

    if known:
        printing.table(_known(), json)
        return
    if missing := [folder for folder in folders or [] if not folder.is_dir()]:
        raise DataError(f"{missing[0]}: there is no such folder")
    places = folders or teacher_folders()
    rows = [each.checked() if check else each for folder in places for each in teachers_in(folder)]
    if not rows and not json:
        searched = ", ".join(map(str, places))
        typer.echo(f"no teachers in {searched}; `dfkd-ray teach TASK` trains one")
        return
    printing.table([("task", "net", "classes", "image", "val", "test", "init", "file"), *map(_cells, rows)], json)
    wrong = [each for each in rows if each.problem]
    for each in wrong:
        typer.echo(each.problem, err=json)
    if check and wrong:
        raise typer.Exit(2)


def _cells(each: TeacherFile) -> tuple[str, ...]:
    card = each.card
    image, accuracy, pretrained = card.get("image"), card.get("accuracy"), card.get("pretrained")
    shares = accuracy if isinstance(accuracy, dict) else {}
    return (
        *(str(card.get(key, DASH)) for key in ("task", "arch", "classes")),
        "x".join(map(str, image)) if isinstance(image, list) else DASH,
        *(share(value) if isinstance(value := shares.get(which), float) else DASH for which in ("val", "test")),
        DASH if pretrained is None else "imagenet" if pretrained else "scratch",
        str(each.weights),
    )


def _known() -> Iterator[tuple[str, ...]]:
    """The public teachers, a row each, with a word on whose accuracy it is."""
    from dfkd_ray.teachers.zoo import zoo

    yield "name", "task", "net", "stated", "sha256", "licence", "address"
    for each in zoo().teachers:
        publisher = zoo().publisher(each.publisher)
        stated = share(each.accuracy) + (f" at {each.at}" if each.at else "")
        place = each.url or f"by hand: {publisher.page}"
        yield each.name, each.task, each.arch, stated, each.digest, publisher.licence.partition(" (")[0], place


@teachers.command()
def inspect(
    weights: Annotated[Path, typer.Argument(metavar="FILE", help="A checkpoint, or FILE#NAME for a network in it.")],
    json: printing.Json = False,
) -> None:
    """Say what a checkpoint is: where its weights lie in it, of which net they are, classes, side, and what goes on."""
    from dfkd_ray.teachers.inspection import inspected

    rows = list(inspected(weights))
    printing.table([("what", "answer"), *rows] if json else rows, json)


@teachers.command()
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a public teacher (see `teachers ls --known`).")],
    out: Folder = Path("teachers"),
) -> None:
    """Download a public teacher from its publisher, check it, and write its card; what is there is left alone."""
    from dfkd_ray.teachers import zoo

    teacher = zoo.known(name)
    publisher = zoo.zoo().publisher(teacher.publisher)
    with options.going_on_with("dfkd-ray", *sys.argv[1:]):
        path, came = zoo.fetch(teacher, out)
    typer.echo(f"{'wrote' if came else 'there is'} {path} and its card: {teacher.arch} of {teacher.task}")
    typer.echo(f"sha256: {teacher.digest}{', as it is here' if teacher.sha256 else ', so nothing was compared'}")
    typer.echo(f"accuracy {share(teacher.accuracy)} ({publisher.stated}); licence: {publisher.licence}")
    typer.echo(f"measure it: dfkd-ray teachers verify {path}")


@teachers.command()
def verify(
    weights: Annotated[Path, typer.Argument(metavar="FILE", help="Weights of a teacher.")],
    task: Annotated[
        str | None,
        typer.Option(help="A name, a YAML file or folder:PATH.", show_default="what its card says"),
    ] = None,
    data: options.Data = None,
    cache: options.Cache = "memmap",
    device: options.Device = "auto",
    threads: options.Threads = 0,
) -> None:
    """Measure a teacher on the test images of its task; exit code 1 where it is not as good as it is said to be."""
    from dfkd_ray import datasets
    from dfkd_ray import teachers as room
    from dfkd_ray.metrics import QUALITY
    from dfkd_ray.teachers.seen import as_taught
    from dfkd_ray.teachers.teach import accuracy
    from dfkd_ray.teachers.weights import read_card
    from dfkd_ray.train.runtime import parse_runtime

    runtime = parse_runtime({"device": device, "precision": "float32", "threads": threads, "cache": cache})
    where = runtime.open()
    card = read_card(weights) or {}
    if task is None and "task" not in card:
        raise ConfigError.at("--task", f"no card beside {weights} says of which task it is: give --task")
    named = as_taught(datasets.load(task), card, datasets.local(data)) if task else _own_task(weights, card)
    spec = room.adopt(named, weights)
    net = room.teacher(spec).to(where)
    part = datasets.split(spec, "test", datasets.local(data), cache=runtime.cache)
    right, count = accuracy(spec, net, part), len(part.labels)
    typer.echo(f"{weights}: {spec.teacher.arch} on {spec.name}, input normalised by {spec.normalised_by}")
    told = f"{share(right)} of {counted(count, 'test image')} named right"
    of = f"{QUALITY[spec.targets].said} {share(right)} on {counted(count, 'test image')}"
    typer.echo(told if spec.targets == "classes" else of)
    if (stated := _stated(card)) is not None:
        _compare(right, count, *stated)


def _compare(right: float, count: int, value: float, who: str) -> None:
    """Says what is stated; exit code 1 where chance does not explain the difference."""
    typer.echo(f"{share(value)} is stated ({who})")
    if abs(right - value) > BY_CHANCE * (value * (1 - value) / count) ** 0.5:
        typer.echo("that is further off than chance allows: other images, another normalisation, or another file")
        raise typer.Exit(1)


def _own_task(weights: Path, card: Mapping[str, Any]) -> Task:
    """The task that a card names: one that ships, or the folder that its images lay in, split as it was then."""
    from dfkd_ray import datasets

    name, folder, split = str(card["task"]), card.get("folder"), card.get("split")
    if name in datasets.names():
        return datasets.load(name)
    if not isinstance(folder, str):
        raise ConfigError.at("--task", f"the card of {weights} says {name!r}, which does not ship: give --task")
    own = f"the card of {weights} says {name!r}, of the images in {folder}"
    if not Path(folder).exists():
        raise ConfigError.at("--task", f"{own}, which is not there: give --task, its file or {datasets.FOLDER}PATH")
    spec = datasets.load(f"{datasets.FOLDER}{folder}")
    if spec.name != name:  # a file of one's own calls these images so, and may read them otherwise
        raise ConfigError.at("--task", f"{own}, which is not their name: give --task, the file of that task")
    return replace(spec, split=split) if isinstance(split, str) else spec


def _stated(card: Mapping[str, Any]) -> tuple[float, str] | None:
    """The accuracy on test images that a card states, and who says so and how."""
    published, measured = card.get("published"), card.get("accuracy")
    if isinstance(published, dict) and isinstance(published.get("accuracy"), float):
        at = f", at {published['at']}" if "at" in published else ""
        return published["accuracy"], f"{published.get('stated_by', 'its publisher')}{at}"
    if isinstance(measured, dict) and isinstance(measured.get("test"), float):
        return measured["test"], "its card"
    return None
