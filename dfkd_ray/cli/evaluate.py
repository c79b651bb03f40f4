"""`evaluate`: how good a finished student is on real images, beside its teacher."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import dumps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from dfkd_ray.cli import app, options, printing
from dfkd_ray.cli.real_images import Reading
from dfkd_ray.cli.student import StudentOptions
from dfkd_ray.cli.transfer import Scratch, Transfer, probed
from dfkd_ray.util import words
from dfkd_ray.util.errors import ConfigError, StudyError

if TYPE_CHECKING:
    from dfkd_ray.datasets import Split, Task
    from dfkd_ray.runs.students import Distilled
    from dfkd_ray.train.runtime import Runtime

RECORD = "evaluation.json"  # the measures of dense targets
Facts = Mapping[str, Any]
SHOWN = 3  # confused pairs on the terminal


Which = Annotated[
    str,
    typer.Option(
        "--split",
        metavar="test|val|TRAIN/VAL/TEST",
        help="Which images; of class folders alone the test images by shares such as 0/0/100, which are all.",
    ),
]

Out = Annotated[
    Path | None,
    typer.Option(
        callback=options.on_disk,
        help="Folder.",
        show_default="evaluation-<which> in the run, or reports/evaluation-<file>",
    ),
]


@app.command()
@options.unfolded
def evaluate(
    student: StudentOptions,
    reading: Reading,
    data: options.Data = None,
    split: Which = "test",
    out: Out = None,
    transfer: Transfer = None,
    scratch: Scratch = None,
    cache: options.Cache = "memmap",
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: options.Threads = 0,
    json: printing.Json = False,
) -> None:
    """Evaluate a finished student beside its teacher: accuracy, calibration, confusions, where they look; one page.

    With --transfer it is asked how well its features serve another task.
    """
    from dfkd_ray import datasets
    from dfkd_ray.train.runtime import parse_runtime

    runtime = parse_runtime({"device": device, "precision": precision, "threads": threads, "cache": cache})
    runtime.open()  # a device that is not there is a mistake to hear of at once
    distilled, home = student.open(quiet=json)
    if transfer is not None:
        other = reading.over(datasets.load(transfer))
        to = out or home / student.called(f"transfer-{other.name}")
        return probed(distilled, other, scratch, datasets.local(data), runtime, to, json)
    if scratch is not None:
        raise ConfigError.at("--scratch", "only an evaluation with --transfer takes it")
    which, task = _chosen(reading, distilled.task, split)
    folder = out or home / student.called("evaluation" if which == "test" else "evaluation-val")
    _apart(folder)
    part = datasets.split(task, which, datasets.local(data or distilled.data), cache=runtime.cache)
    folder.mkdir(parents=True, exist_ok=True)
    if not json:
        typer.echo(_opening(distilled, which, len(part.labels), task.split))
    finish = _paged if task.targets == "classes" else _dense
    finish(distilled, part, runtime, folder, _note(distilled, which, task.split), json)


def _apart(folder: Path) -> None:
    """StudyError where the page of an evaluation would take the place of another."""
    for kind, what in {"trials": "study", "simulation": "simulation"}.items():
        if (folder / f"{kind}.arrow").exists():
            raise StudyError(f"{folder} holds a {what}: name another folder with --out")


def _paged(distilled: Distilled, part: Split, runtime: Runtime, folder: Path, note: Facts, as_json: bool) -> None:
    """Leaves tables and page in the folder, and says what came out."""
    from dfkd_ray import report
    from dfkd_ray.runs.evaluation import Evaluation
    from dfkd_ray.util import tables

    made = Evaluation(distilled, part, runtime).tables(note)
    _keep(made, folder)
    note, page = tables.metadata(made["evaluation"]), report.build(folder)
    if as_json:
        alone = distilled.alone or None
        return printing.as_json({**note, "images": len(part.labels), "without_teacher": alone, "page": page})
    for line in (*said(note), f"page: {page}"):
        typer.echo(line)


def _dense(distilled: Distilled, part: Split, runtime: Runtime, folder: Path, note: Facts, as_json: bool) -> None:
    """The same of dense targets; the measures stand in a file of JSON too."""
    from dfkd_ray import report
    from dfkd_ray.runs.evaluation import dense
    from dfkd_ray.util.files import atomic_write

    made = dense.DenseEvaluation(distilled, part, runtime)
    _keep(made.tables(note), folder)
    note, record, page = {**note, "measures": made.measures}, folder / RECORD, report.build(folder)
    with atomic_write(record) as file:
        file.write((dumps(note, indent=1) + "\n").encode())
    if as_json:
        return printing.as_json({**note, "images": len(part.labels), "page": page})
    for line in (*dense.said(made.measures), f"wrote {record}", f"page: {page}"):
        typer.echo(line)


def _keep(made: Mapping[str, Any], folder: Path) -> None:
    """The tables into the folder, in place of an earlier evaluation's: one of other targets would be read for this."""
    from dfkd_ray.util import tables

    for kind in {*tables.EVALUATED, *tables.OF_DENSE}.difference(made):
        if (old := folder / f"{kind}.arrow").is_file():
            old.unlink()
            (folder / RECORD).unlink(missing_ok=True)
    for kind, table in made.items():
        tables.write(table, folder / f"{kind}.arrow")


def _chosen(reading: Reading, task: Task, split: str) -> tuple[Literal["test", "val"], Task]:
    """Which split, and of which task: with other shares its test split."""
    if split in ("test", "val"):
        return "val" if split == "val" else "test", reading.over(task)
    return "test", reading.over(task, split)


def _opening(distilled: Distilled, split: str, images: int, shares: str | None) -> str:
    nets = ", ".join(f"{name} {network.arch} ({network.weights.name})" for name, network in distilled.networks.items())
    alone = "" if distilled.teacher is not None else "; there is no teacher of this task here (--teacher)"
    alone = f"; {distilled.alone}" if distilled.alone else alone
    other = "" if distilled.run.get("own_teacher", True) else "; that is not the teacher that taught it"
    drawn = "" if shares is None else f" by {shares}"
    return f"{distilled.task.name}, {words.counted(images, 'image')} of split {split}{drawn}: {nets}{alone}{other}"


def _note(distilled: Distilled, split: str, shares: str | None) -> dict[str, Any]:
    """What the tables say of what was evaluated. shares: by which the split was drawn, of class folders alone."""
    from dfkd_ray.util.provenance import provenance

    task = distilled.task
    networks = {
        name: {
            "arch": network.arch,
            "weights": network.weights.name,
            "parameters": sum(p.numel() for p in network.net.parameters()),
        }
        for name, network in distilled.networks.items()
    }
    told = {"name": task.name, "classes": list(task.classes), "image": list(task.image)}
    return {
        "task": {**told, "normalised_by": task.normalised_by},
        "split": split,
        "drawn_by": shares,
        "networks": networks,
        "run": dict(distilled.run),
        "provenance": provenance(),
    }


def said(note: Mapping[str, Any]) -> Iterator[str]:
    """The measures in lines, student and teacher side by side, and what is confused most."""
    from dfkd_ray.report.evaluation.sections import MEASURES

    measures, classes = note["measures"], note["task"]["classes"]
    known, width = [name for name in ("student", "teacher") if name in measures], max(map(len, MEASURES.values()))
    yield f"{'':<{width}}" + "".join(f"{name:>10}" for name in known)
    for key, name in MEASURES.items():
        if measures["student"][key] is not None:
            yield f"{name:<{width}}" + "".join(f"{words.share(measures[network][key]):>10}" for network in known)
    if "agreement" in measures:
        kl = f"KL(teacher || student) {measures['kl']:.3g} nats"
        yield f"{'Agreement':<{width}}{words.share(measures['agreement']):>10}  {kl}"
    for pair in measures["confused"][:SHOWN]:
        label, named = (classes[pair[side]] for side in ("label", "named"))
        yield f"confused: {label}, named {named}: {pair['images']} of {words.counted(pair['of'], 'image')}"
    for network, why in note["looks"]["missing"].items():
        yield f"no Grad-CAM of the {network}: {why}"
    if why := note["plane"]["missing"]:
        yield f"no t-SNE: {why}"
