"""Pools of synthetic images: `pool ls`, `pool verify`, `pool sample`; `pool prune` stands in `prune`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, options, printing
from dfkd_ray.util.errors import DataError, UnknownName
from dfkd_ray.util.progress import progress
from dfkd_ray.util.registry import did_you_mean
from dfkd_ray.util.words import DASH, counted, share

if TYPE_CHECKING:
    from torch import Tensor, nn

    from dfkd_ray import datasets
    from dfkd_ray.datasets.pools import Pool, PoolCard

pool = typer.Typer(no_args_is_help=True, help="The pools of synthetic images that `synthesize` made.")
app.add_typer(pool, name="pool")

SHOWN = 10  # lines of what is broken, and of what is noted
NAMED = 8  # classes
MOST = 100  # rows of a picture that nobody asked for
Folder = Annotated[Path, typer.Argument(metavar="POOL", help="The folder of a pool.")]
Task = Annotated[
    str | None, typer.Option(help="A task by name, a YAML file or folder:PATH.", show_default="that of the pool")
]
Weights = Annotated[
    Path | None, typer.Option(help="The teacher's weights.", show_default="the task's own, or those that are found")
]
Intermediate = Annotated[
    bool, typer.Option("--intermediate", help="The estimates on the way too, not the finished images alone.")
]


@pool.command()
def ls(
    folders: Annotated[
        list[Path] | None, typer.Argument(metavar="[DIR]...", help="Pools, or folders of them.", show_default="pools/")
    ] = None,
    json: printing.Json = False,
) -> None:
    """List pools: of which task and teacher, how many images, and the shards in which no trajectory is missing."""
    from dfkd_ray.datasets.pools import Pool

    if missing := [folder for folder in folders or [] if not folder.is_dir()]:
        raise DataError(f"{missing[0]}: there is no such folder")
    places = folders or [Path("pools")]
    found = [path.parent for place in places for path in [*place.glob("pool.json"), *sorted(place.glob("*/pool.json"))]]
    if not found and not json:
        typer.echo(f"no pools in {', '.join(map(str, places))}; `dfkd-ray synthesize METHOD` makes one")
        return
    rows: list[tuple[str, ...]] = [
        ("folder", "task", "teacher", "source", "images", "trajectories", "classes", "shards")
    ]
    wrong = []
    for folder in found:
        try:
            rows.append((str(folder), *_cells(Pool.open(folder))))
        except DataError as error:
            rows.append((str(folder), *[DASH] * 7))
            wrong.append(str(error))
    printing.table(rows, json)
    for line in wrong:
        typer.echo(line, err=json)


def _cells(found: Pool) -> tuple[str, ...]:
    from dfkd_ray.datasets.pools.verify import complete

    card, rows, whole = found.card, found.rows(["trajectory", "label"]), complete(found)
    source = card.method.get("source")
    have = {name: len(rows.column(name).unique()) for name in rows.column_names}
    return (
        *(card.task, card.teacher.arch, source.get("name", DASH) if isinstance(source, dict) else DASH),
        *(f"{count:,}" for count in (rows.num_rows, have["trajectory"])),
        *(f"{have['label']} of {len(card.classes)}", f"{sum(whole)} of {len(whole)}"),
    )


@pool.command()
def verify(
    folder: Folder,
    task: Task = None,
    weights: Weights = None,
    device: options.Device = "auto",
    all_lines: Annotated[bool, typer.Option("--list", help="Name everything, not the first few.")] = False,
) -> None:
    """Read every image of a pool, hold it against the pool's card, and ask its teacher; exit code 2 if it is broken."""
    from dfkd_ray.datasets.pools import Pool
    from dfkd_ray.datasets.pools.verify import verify as check
    from dfkd_ray.train.runtime import parse_runtime

    found, where = Pool.open(folder), parse_runtime({"device": device}).open()
    teacher = teacher_of(found, task, weights)
    report = check(found)
    trajectories = counted(report.trajectories, "trajectory", "trajectories")
    typer.echo(f"{folder}: {counted(report.images, 'image')} in {trajectories}, digest {found.digest}")
    for line in _counts(found.card, report.classes):
        typer.echo(line)
    for line in [*_shown(report.noted, all_lines), *_shown(report.broken, all_lines)]:
        typer.echo(line)
    if report.broken:
        typer.echo("broken: remove a shard that is, and make it again")
        raise typer.Exit(2)
    if teacher is None:
        typer.echo(f"no teacher of {found.card.task} here, so nobody says what is in these images (--weights)")
    elif report.images:
        for line in _seen_by(*teacher, found, where):
            typer.echo(line)
    typer.echo("whole: every image can be read")


def _shown(lines: list[str], every: bool) -> Iterator[str]:
    yield from lines if every else lines[:SHOWN]
    if not every and len(lines) > SHOWN:
        yield f"and {len(lines) - SHOWN:,} more (--list names them)"


def _counts(card: PoolCard, classes: Counter[int]) -> Iterator[str]:
    """How many images a class has: a line for all that have as many."""
    names: dict[int, list[str]] = {}
    for number, name in enumerate(card.classes):
        names.setdefault(classes[number], []).append(name)
    for count, those in sorted(names.items(), reverse=True):
        more = f" and {len(those) - NAMED:,} more" if len(those) > NAMED else ""
        yield f"{counted(count, 'image')} a class: {', '.join(those[:NAMED])}{more}"


def teacher_of(found: Pool, name: str | None, weights: Path | None) -> tuple[datasets.Task, nn.Module] | None:
    """The teacher that the pool was made from, and its task; None where nobody names one and none is there.

    DataError if those that are named, or found, are others.
    """
    from dfkd_ray import teachers
    from dfkd_ray.nets.digest import digest

    task = _task(found.card, name)
    arch = found.card.teacher.arch if name is None else None
    if weights is None and arch is not None:  # of several with the name of its task, its own
        weights = teachers.find_by_digest(task.name, arch, found.card.teacher.digest)
    task = teachers.with_teacher(task, weights, arch if weights is None else _arch(found.card, weights))
    _refuse(found, found.card.of_another_task(task.image, len(task.classes), task.mean, task.std, task.classes))
    if task.teacher.weights is None and name is None:
        return None
    net = teachers.teacher(task)
    _refuse(found, found.card.of_another_teacher(digest(net.state_dict())))
    return task, net


def _task(card: PoolCard, name: str | None) -> datasets.Task:
    """The task by name; that of the pool, which its card describes well enough where it is not shipped."""
    from dfkd_ray import datasets

    if name is not None or card.task in datasets.names():
        return datasets.load(name or card.task)
    seen = (card.classes, card.image, card.mean, card.std)
    return datasets.Task(card.task, "none", *seen, datasets.TeacherRef(card.teacher.arch), card.teacher.arch)


def _arch(card: PoolCard, weights: Path) -> str | None:
    """Of weights without a card of their own that says it: the net of the pool's teacher."""
    from dfkd_ray.teachers.weights import read_card

    return None if (read_card(weights) or {}).get("arch") else card.teacher.arch


def _refuse(found: Pool, why: str | None) -> None:
    if why is not None:
        raise DataError(f"{found.folder} {why}")


def _seen_by(task: datasets.Task, net: nn.Module, found: Pool, device: Any) -> Iterator[str]:
    """What the teacher says of the images: a table."""
    import torch

    from dfkd_ray import datasets
    from dfkd_ray.runs import measures

    net, finals, rights, confidences = net.to(device), [], [], []
    with progress("the teacher looks", found.size, "images") as tell:
        for images in found.each():
            scores = measures.logits(net, images.images, partial(datasets.normalise, task)).softmax(1).cpu()
            confidence, said = scores.max(1)
            finals.append(images.final)
            rights.append((said == images.labels).float())
            confidences.append(confidence)
            tell(sum(map(len, finals)))
    final, right, confidence = (torch.cat(parts) for parts in (finals, rights, confidences))
    yield f"{'the teacher sees':<18}{'images':>9}{'as asked':>10}{'confidence':>12}"
    for what, rows in {"final": final, "intermediate": ~final}.items():
        if rows.any():
            asked = share(float(right[rows].mean()))
            yield f"{what:<18}{int(rows.sum()):>9,}{asked:>10}{confidence[rows].mean():>12.3f}"


@pool.command()
def sample(
    folder: Folder,
    out: Annotated[Path, typer.Option(callback=options.on_disk, help="The picture, .webp or .png.")],
    rows: Annotated[
        int | None,
        typer.Option(
            min=1,
            callback=options.bounded,
            help="Classes, or of --label rows.",
            show_default="all classes, 4 of --label",
        ),
    ] = None,
    columns: Annotated[int, typer.Option(min=1, callback=options.bounded, help="Images in a row.")] = 8,
    label: Annotated[str | None, typer.Option(metavar="NAME", help="One class alone.")] = None,
    intermediate: Intermediate = False,
) -> None:
    """Write a picture of a pool: a row a class, or images of one class."""
    from dfkd_ray.datasets.picture import contact_sheet
    from dfkd_ray.datasets.pools import Pool

    kinds: Any = {".webp": "WEBP", ".png": "PNG"}
    if out.suffix.lower() not in kinds:
        raise typer.BadParameter(f"--out must end in .webp or .png, got {out}")
    found = Pool.open(folder)
    names = found.card.classes
    if label is not None and label not in names:
        raise UnknownName(f"{folder} has no class {label!r}{did_you_mean(label, names)}")
    shown = [names.index(label)] if label is not None else [*range(min(rows or MOST, len(names)))]
    cells = _cells_of(found, shown, columns * (1 if label is None else rows or 4), intermediate)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_bytes(contact_sheet(cells, len(cells) // columns, columns, kinds[out.suffix.lower()]))
    typer.echo(f"wrote {out}")


def _cells_of(found: Pool, classes: Sequence[int], each: int, intermediate: bool) -> Tensor:
    """The first images of each class, (classes x each, C, H, W) in [0, 1], white where it has no more."""
    import torch

    images = found.images(intermediate, each, classes)
    cells = torch.ones(len(classes), each, *found.card.image)
    for row, number in zip(cells, classes):
        of_class = images.images[images.labels == number]
        row[: len(of_class)] = of_class.float() / 255
    return cells.flatten(0, 1)
