"""One run at a time: `distill` a student, `teach` a teacher."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, options
from dfkd_ray.errors import StudyError

if TYPE_CHECKING:
    from dfkd_ray.sweep.work import Row
    from dfkd_ray.tasks import Epoch
    from dfkd_ray.trainable import Distillation

RECORD = "run.json"


@app.command()
def distill(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="A method by name (see `ls methods`), or a YAML file.")
    ],
    task: Annotated[str, typer.Option(help="A task by name (see `ls tasks`), or a YAML file.")] = "gliders",
    changes: options.Set = None,
    seed: options.Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="reports/<method>-<task>-seed<seed>")] = None,
    weights: options.Weights = None,
    data: options.Data = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: options.Threads = 0,
) -> None:
    """Teach one student without training data. The same command again goes on where it was stopped."""
    from dfkd_ray import config, trainable
    from dfkd_ray.runtime import parse_runtime
    from dfkd_ray.sweep.work import Job

    resolved = config.change(config.load(method), options.assignments(changes))
    runtime = parse_runtime({"device": device, "precision": precision, "threads": threads})
    runtime.open()  # a device that is not there is a mistake to hear of before a folder is made
    work = trainable.distillation(resolved, task, None if data is None else str(data.resolve()), weights, runtime)
    folder = out or Path("reports") / f"{Path(method).stem}-{Path(task).stem}-seed{seed}"
    began = _claim(folder, work, seed)
    info = trainable.task_info(work)
    _introduce(method, resolved.schedule.epochs, seed, info, trainable.evaluable(work))
    if began:
        typer.echo(f"{folder} holds this run already: what is done is shown again, not run again")
    rows: list[Row] = []
    with options.going_on_with("dfkd-ray", *sys.argv[1:]):
        for row in work.epochs(Job(trial=0, changes={}, seed=seed, folder=str(folder.resolve()), threads=threads)):
            rows.append(row)
            typer.echo(_line(row, resolved.schedule.epochs))
            if row.picture:
                (folder / f"images_{row.epoch:04d}.webp").write_bytes(row.picture)
            _write_steps(folder, rows, info)
    typer.echo(_ending(rows[-1], info, seed))
    typer.echo(f"student, curves and images are in {folder}")


def _claim(folder: Path, work: Distillation, seed: int) -> bool:
    """The folder belongs to one run: create it, or make sure that it is this one's; whether it is there already."""
    from dfkd_ray import config

    record = {"fingerprint": config.fingerprint(config.parse(work.method)), "task": work.task.name, "seed": seed}
    record["teacher"] = work.teacher_digest()
    path = folder / RECORD
    if path.exists():
        held = json.loads(path.read_text(encoding="utf-8"))
        different = [
            f"{key} {held.get(key)} there, {value} here" for key, value in record.items() if held.get(key) != value
        ]
        if different:
            raise StudyError(f"{folder} holds another run ({'; '.join(different)}): name another folder with --out")
        return True
    if folder.exists() and any(folder.iterdir()):
        raise StudyError(f"{folder} exists and holds no run: name another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**record, "method": work.method}, indent=2) + "\n", encoding="utf-8")
    return False


def _introduce(method: str, epochs: int, seed: int, info: dict[str, Any], evaluable: bool) -> None:
    nets = f"{info['teacher']['arch']} -> {info['student']['arch']}"
    by = f"input normalised by {info['normalised_by']}"
    typer.echo(f"{method} on {info['name']}: {nets}, {epochs} epochs, seed {seed}; {by}")
    if not evaluable:
        typer.echo(f"no real images of {info['name']} here, so no accuracies (--data); data-free metrics alone")


def _line(row: Row, epochs: int) -> str:
    m = row.metrics
    shown = {"val": m.get("val_accuracy"), "agreement": m["agreement/source"], "diversity": m["diversity"]}
    parts = [f"{name} {value:6.1%}" for name, value in shown.items() if value is not None]
    losses = [f"{name} loss {m[key]:7.3g}" for name in ("source", "student") if (key := f"loss/{name}/total") in m]
    return f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}  {'  '.join(parts + losses)}  {row.seconds:6.0f} s"


def _ending(row: Row, info: dict[str, Any], seed: int) -> str:
    return "\n".join([*_far(row.metrics["outside"]), _tested(row, info, seed)])


def _far(share: float) -> list[str]:
    """A warning where the synthetic images are not what the teacher was trained on."""
    from dfkd_ray import evaluate

    if share <= evaluate.FAR:
        return []
    return [
        f"warning: {share:.0%} of the values of the synthetic images are darker than black or lighter than white, and",
        "  on such images no teacher was trained; source.output: normalised or sigmoid keeps a generator there",
    ]


def _tested(row: Row, info: dict[str, Any], seed: int) -> str:
    tested = {name: row.final.get(f"test_accuracy/{name}") for name in ("last", "best")}
    if tested["last"] is None:
        return f"finished (seed {seed}); no real images to evaluate on: give --data"
    teacher = info["teacher"]["test_accuracy"]
    beside = f", teacher {teacher:.1%}" if teacher is not None else ""
    best = f"{tested['best']:.1%} at epoch {int(row.final['best_epoch'])}, the best by validation"
    context = f"seed {seed}; chance {info['chance']:.1%}{beside}"
    return f"test accuracy {tested['last']:.1%} at the last epoch, {best} ({context})"


def _write_steps(folder: Path, rows: list[Row], info: dict[str, Any]) -> None:
    """`steps.arrow`; a machine without pyarrow keeps the rows in the checkpoint and gets `steps.json`."""
    steps = [
        {"trial": 0, "epoch": row.epoch, "seconds": row.seconds, "metric": metric, "value": value}
        for row in rows
        for metric, value in {**row.metrics, **row.final}.items()
    ]
    try:
        from dfkd_ray import tables
    except ImportError:
        (folder / "steps.json").write_text(json.dumps(steps), encoding="utf-8")
        return
    facts = {"host": rows[-1].host, "device": rows[-1].device, "fingerprint": rows[-1].fingerprint}
    metadata = {"task": info, "provenance": facts, "method": rows[-1].method}
    tables.write(tables.table("steps", steps, metadata), folder / "steps.arrow")


@app.command()
def teach(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task by name (see `ls tasks`), or a YAML file.")],
    arch: Annotated[str | None, typer.Option(help="Architecture (see `ls nets`).", show_default="the task's")] = None,
    out: Annotated[Path | None, typer.Option(help="File.", show_default="<task>_<arch>.safetensors")] = None,
    seed: options.Seed = 0,
    data: Annotated[Path | None, typer.Option(help="Folder or .npz file of the task's real images.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Download the data set if it is missing.")] = False,
    device: options.Device = "auto",
    threads: options.Threads = 0,
) -> None:
    """Train a teacher on the real images of its task; writes the weights and a card."""
    from dfkd_ray import tasks
    from dfkd_ray.runtime import parse_runtime

    spec = tasks.load(task)
    arch = arch or spec.teacher.arch
    path = out or Path(f"{spec.name}_{arch}.safetensors")
    chosen = parse_runtime({"device": device, "threads": threads}).open()

    def report(epoch: Epoch) -> None:
        typer.echo(
            f"epoch {epoch.epoch}/{epoch.epochs}  loss {epoch.loss:.3f}  "
            f"val {epoch.val_accuracy:.1%}  {epoch.seconds:.0f} s"
        )

    card = tasks.teach(spec, arch, seed, out=path, data=data, download=download, device=str(chosen), report=report)
    accuracies = ", ".join(f"{which} {value:.1%}" for which, value in card["accuracy"].items())
    typer.echo(f"wrote {path} and its card: {arch} on {spec.name}, accuracy {accuracies}, {card['seconds']:.0f} s")
