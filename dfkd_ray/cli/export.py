"""`export`: a finished student for use elsewhere, and what it costs there beside its teacher."""

from __future__ import annotations

import json as _json
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, options, printing
from dfkd_ray.cli.student import StudentOptions
from dfkd_ray.util import words
from dfkd_ray.util.errors import StudyError

if TYPE_CHECKING:
    from dfkd_ray.runs.students import Distilled

RECORD = "export.json"


class To(StrEnum):
    """Formats."""

    onnx = "onnx"
    torch = "torch"
    safetensors = "safetensors"


Formats = Annotated[
    list[To],
    typer.Option("--to", help="onnx; torch (torch.export, .pt2); safetensors (with a card). May be given again."),
]
Inside = Annotated[
    bool,
    typer.Option(
        "--with-normalisation",
        help="onnx and torch take uint8 images (0 to 255) and normalise them, in place of normalised float32 ones.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        callback=options.on_disk, help="Folder.", show_default="export-<which> in the run, or reports/export-<file>"
    ),
]


@app.command()
@options.unfolded
def export(
    student: StudentOptions,
    to: Formats,
    with_normalisation: Inside = False,
    out: Out = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: options.Threads = 0,
    json: printing.Json = False,
) -> None:
    """Export a finished student, compare what was written with it, and tell what it costs beside its teacher."""
    from dfkd_ray.runs import export as exporting
    from dfkd_ray.runs.export.cost import cost
    from dfkd_ray.train.runtime import parse_runtime
    from dfkd_ray.util.progress import each
    from dfkd_ray.util.provenance import provenance

    runtime = parse_runtime({"device": device, "precision": precision, "threads": threads})
    chosen = runtime.open()
    distilled, home = student.open(quiet=json)
    folder = out or home / student.called("export")
    if distilled.alone and not json:
        typer.echo(distilled.alone)
    card = exporting.card_of(distilled.student, **_origin(distilled))
    kinds = _kinds(to, distilled, folder)
    try:
        files = exporting.export(distilled.student, kinds, folder, with_normalisation, card, distilled.name)
    except exporting.Differs as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from None
    measured = each(list(distilled.networks.items()), "measuring", "networks")
    costs = {name: cost(network, runtime, chosen) for name, network in measured}
    where = {"device": str(chosen), "precision": precision, "threads": threads}
    told = {"files": files, "costs": costs, "costs_on": where, "card": card, "provenance": provenance()}
    _keep(told, folder)
    if json:
        printing.as_json({**told, "without_teacher": distilled.alone or None, "folder": folder})
        return
    for line in (*cost_table(costs, str(chosen)), *written(files, folder)):
        typer.echo(line)


def _kinds(to: list[To], distilled: Distilled, folder: Path) -> list[str]:
    """The formats by name; StudyError where one would take the place of the file that it is made from, and of that
    file's card."""
    from dfkd_ray.runs.export.formats import FORMATS

    kinds = [each.value for each in to]
    for kind in kinds:
        path = folder / f"{distilled.name}{FORMATS[kind].suffix}"
        if path.resolve() == distilled.student.weights.resolve():
            raise StudyError(f"{path} is the student itself, and its card stands beside it: name another with --out")
    return kinds


def _keep(told: Mapping[str, Any], folder: Path) -> None:
    """The record of an export, beside its files."""
    from dfkd_ray.util.files import atomic_write

    with atomic_write(folder / RECORD) as file:
        file.write((_json.dumps(told, indent=1) + "\n").encode())


def _origin(distilled: Distilled) -> dict[str, Any]:
    """Where the student comes from, for its card: what its own says, else what is known here."""
    from dfkd_ray.runs.card import versions
    from dfkd_ray.teachers.weights import read_card

    own = read_card(distilled.student.weights) or {}
    teacher = None if distilled.teacher is None else distilled.teacher.arch
    known = {"student_of": {"teacher": teacher, **distilled.run}, "versions": versions()}
    return {**known, **{key: own[key] for key in ("student_of", "versions", "accuracy") if key in own}}


def cost_table(costs: Mapping[str, Mapping[str, Any]], device: str) -> Iterator[str]:
    """What the networks cost, side by side."""
    rows = {
        "": list(costs),
        "architecture": [each["arch"] for each in costs.values()],
        "file of weights": [_bytes(each["bytes"]) for each in costs.values()],
        "parameters": [words.number(each["parameters"]) for each in costs.values()],
        "FLOPs, one image": [f"{each['flops']:.3g}" for each in costs.values()],
        f"latency on {device}, one image": [f"{1e3 * each['latency']:.3g} ms" for each in costs.values()],
        f"throughput on {device}, 64 images": [f"{each['throughput']:.3g} a second" for each in costs.values()],
    }
    first, second = max(map(len, rows)), max(len(cell) for cells in rows.values() for cell in cells)
    for name, cells in rows.items():
        yield f"{name:<{first}}" + "".join(f"  {cell:>{second}}" for cell in cells)


def written(files: Sequence[Mapping[str, Any]], folder: Path) -> Iterator[str]:
    """What each file is, and how near it is to the network."""
    for each in files:
        near = f"logits within {each['difference']:.2g} (at most {each['limit']:.2g})"
        same = f"top class the same on {each['same_top_class']} of {each['inputs']} inputs"
        takes = f"takes {each['input']['values']}" if "input" in each else "weights and a card"
        yield f"wrote {folder / each['file']}: {_bytes(each['bytes'])}, {takes}; {near}, {same}"
    yield f"wrote {folder / RECORD}"


def _bytes(count: int) -> str:
    return f"{count / 1e6:.3g} MB"
