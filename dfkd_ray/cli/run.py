"""One run: `distill` a student."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, options
from dfkd_ray.cli.subject import Subject, called
from dfkd_ray.util.errors import ConfigError, StudyError
from dfkd_ray.util.files import atomic_write

if TYPE_CHECKING:
    from dfkd_ray.methods.method import Method
    from dfkd_ray.runs.distillation import Distillation
    from dfkd_ray.tune.work import Row

FromPool = Annotated[
    Path | None,
    typer.Option("--pool", help="Learn from this pool of images (see `pool ls`) in place of the method's own source."),
]


@app.command()
@options.unfolded
def distill(
    method: Annotated[
        str, typer.Argument(metavar="METHOD", help="A method by name (see `ls methods`), or a YAML file.")
    ],
    subject: Subject,
    changes: options.Set = None,
    pool: FromPool = None,
    seed: options.Seed = 0,
    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="reports/<method>-<task>-seed<seed>")] = None,
    data: options.Data = None,
    device: options.Device = "auto",
    precision: options.Precision = "float32",
    threads: options.Threads = 0,
    cache: options.Cache = "memmap",
) -> None:
    """Teach one student without training data. The same command again goes on where it was stopped.

    --pool is short for --set source='{name: stored, folder: POOL}', which a study may have too, under `fixed`, and for
    no memory, warm-up and source loss beside it.
    """
    from dfkd_ray.methods import config
    from dfkd_ray.runs import distillation
    from dfkd_ray.train.runtime import parse_runtime

    resolved = config.load(method)
    resolved = config.change(resolved, _from_pool(pool, resolved, subject.assigned(changes)))
    runtime = parse_runtime({"device": device, "precision": precision, "threads": threads, "cache": cache})
    on = subject.chosen(resolved.teacher.arch)
    work = distillation.prepare(resolved, on, options.absolute(data), subject.weights, runtime)
    work.open(resolved, seed, runtime, runtime.open())  # what does not fit is told before there is a folder
    folder = out or Path("reports") / f"{Path(method).stem}-{called(on)}-seed{seed}"
    info = distillation.task_info(work)
    began = _claim(folder, _record(work, seed, on if isinstance(on, str) else None, info))
    _introduce(method, resolved.schedule.epochs, seed, work, info)
    if began:
        typer.echo(f"{folder} holds this run already: what is done is shown again, not run again")
    with options.going_on_with("dfkd-ray", *sys.argv[1:]):
        last = _run(work, folder, seed, info)
    typer.echo(_ending(last, info, seed))
    typer.echo(f"student, curves and images are in {folder}")


def _from_pool(pool: Path | None, method: Method, changes: dict[str, Any]) -> dict[str, Any]:
    """The changes, after those that leave of a method its student, who learns from a pool."""
    from dfkd_ray.datasets.pools import Pool

    if pool is None:
        return changes
    if "source" in changes:
        raise ConfigError.at("--set", "source is given twice: --pool says it too")
    plan = method.schedule
    return {
        "source": {"name": "stored", "folder": str(pool.resolve()), "digest": Pool.open(pool).digest},
        "source_loss": {},
        "memory": "fresh",
        "schedule.warmup": 0,
        "schedule.rehearse_every": 0,
        "schedule.source_epochs": None,
        "schedule.epochs": plan.epochs - plan.warmup,
        **changes,
    }


def _run(work: Distillation, folder: Path, seed: int, info: dict[str, Any]) -> Row:
    """Run to the end, with a line an epoch; returns the last epoch's row."""
    from dfkd_ray.tune.work import Job

    rows: list[Row] = []
    job = Job(trial=0, changes={}, seed=seed, folder=str(folder.resolve()), threads=work.runtime.threads)
    for row in work.epochs(job):
        rows.append(row)
        typer.echo(_line(row, work.max_epochs))
        if row.picture:
            (folder / f"images_{row.epoch:04d}.webp").write_bytes(row.picture)
        _write_steps(folder, rows, info)
    return rows[-1]


def _record(work: Distillation, seed: int, task: str | None, info: dict[str, Any]) -> dict[str, Any]:
    """What the folder of a run says of it: all that opens its student and teacher again, also without a task."""
    from dfkd_ray.methods import config

    spec = work.task
    return {
        "fingerprint": config.fingerprint(config.parse(work.method)),
        "task": spec.name,
        "task_given": task,
        "data": work.data,
        "seed": seed,
        "teacher": {
            "arch": config.parse(work.method).teacher.arch or spec.teacher.arch,
            "weights": options.absolute(spec.teacher.file),
            "digest": info["teacher"]["digest"],
        },
        "student": info["student"],
        "normalise": {"mean": list(spec.mean), "std": list(spec.std)},
        "classes": list(spec.classes),
        "image": list(spec.image),
        "method": work.method,
    }


SAME = ("fingerprint", "task", "seed", "teacher.digest", "normalise")  # of a record: what makes it the same run


def _claim(folder: Path, record: dict[str, Any]) -> bool:
    """The folder belongs to one run: create it, or make sure that it is this one's; whether it is there already."""
    from dfkd_ray.runs.students import RECORD

    path = folder / RECORD
    if path.exists():
        held = json.loads(path.read_text(encoding="utf-8"))
        both = {key: (_at(held, key), _at(record, key)) for key in SAME}
        different = [f"{key} {there} there, {here} here" for key, (there, here) in both.items() if there != here]
        if different:
            raise StudyError(f"{folder} holds another run ({'; '.join(different)}): name another folder with --out")
        return True
    if folder.exists() and any(folder.iterdir()):
        raise StudyError(f"{folder} exists and holds no run: name another folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write((json.dumps(record, indent=2) + "\n").encode())
    return False


def _at(record: Any, path: str) -> Any:
    for key in path.split("."):
        record = record.get(key) if isinstance(record, dict) else None
    return record


def _introduce(method: str, epochs: int, seed: int, work: Distillation, info: dict[str, Any]) -> None:
    from dfkd_ray.runs import distillation

    nets = f"{info['teacher']['arch']} -> {info['student']['arch']}"
    by = f"input normalised by {info['normalised_by']}"
    typer.echo(f"{method} on {info['name']}: {nets}, {epochs} epochs, seed {seed}; {by}")
    teacher = work.task.teacher
    typer.echo(f"the teacher is {teacher.file or f'{teacher.weights}, as shipped'}")
    if not distillation.evaluable(work, "test") and not distillation.evaluable(work):
        typer.echo(f"no real images of {info['name']} here, so no accuracies (--data); data-free metrics alone")
    elif not distillation.evaluable(work):
        typer.echo(f"no images of {info['name']} to validate on: data-free metrics alone, and test accuracy at the end")


def _line(row: Row, epochs: int) -> str:
    m = row.metrics
    shown = {"val": m.get("val_accuracy"), "agreement": m["agreement/source"], "diversity": m["diversity"]}
    shown["asked"] = m.get("asked/source")
    parts = [f"{name} {value:6.1%}" for name, value in shown.items() if value is not None]
    losses = [f"{name} loss {m[key]:7.3g}" for name in ("source", "student") if (key := f"loss/{name}/total") in m]
    return f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}  {'  '.join(parts + losses)}  {row.seconds:6.0f} s"


def _ending(row: Row, info: dict[str, Any], seed: int) -> str:
    return "\n".join([*_far(row.metrics["outside"]), _tested(row, info, seed)])


def _far(share: float) -> list[str]:
    """A warning where the synthetic images are not what the teacher was trained on."""
    from dfkd_ray.runs import measures

    if share <= measures.FAR:
        return []
    return [
        f"warning: {share:.0%} of the values of the synthetic images are darker than black or lighter than white, and",
        "  on such images no teacher was trained; source.output: normalised or sigmoid keeps a generator there",
    ]


def _tested(row: Row, info: dict[str, Any], seed: int) -> str:
    tested = {name: row.final.get(f"test_accuracy/{name}") for name in ("last", "best")}
    if tested["last"] is None:
        agree = f"agreement with the teacher {row.metrics['agreement/source']:.1%} on held-out synthetic images"
        return f"{agree} (seed {seed}); no real images to evaluate on: give --data"
    teacher = info["teacher"]["test_accuracy"]
    beside = f", teacher {teacher:.1%}" if teacher is not None else ""
    best = f", {tested['best']:.1%} at epoch {int(row.final['best_epoch'])}, the best by validation"
    context = f"seed {seed}; chance {info['chance']:.1%}{beside}"
    chosen = best if "val_accuracy" in row.metrics else ""
    return f"test accuracy {tested['last']:.1%} at the last epoch{chosen} ({context})"


def _write_steps(folder: Path, rows: list[Row], info: dict[str, Any]) -> None:
    """`steps.arrow`; a machine without pyarrow keeps the rows in the checkpoint and gets `steps.json`."""
    steps = [
        {"trial": 0, "epoch": row.epoch, "seconds": row.seconds, "metric": metric, "value": value}
        for row in rows
        for metric, value in {**row.metrics, **row.final}.items()
    ]
    try:
        from dfkd_ray.util import tables
    except ImportError:
        with atomic_write(folder / "steps.json") as file:
            file.write(json.dumps(steps).encode())
        return
    facts = {"host": rows[-1].host, "device": rows[-1].device, "fingerprint": rows[-1].fingerprint}
    metadata = {"task": info, "provenance": facts, "method": rows[-1].method}
    tables.write(tables.table("steps", steps, metadata), folder / "steps.arrow")
