"""Studies: `sweep`, `resume`, `plan`, `validate`, `report`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray import shipped
from dfkd_ray.cli import app, options
from dfkd_ray.errors import StudyError

if TYPE_CHECKING:
    from dfkd_ray.study import Study
    from dfkd_ray.sweep import Summary
    from dfkd_ray.trainable import Distillation


class Runner(StrEnum):
    """Who runs the trials."""

    ray = "ray"
    serial = "serial"


File = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped one.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The study's folder, e.g. reports/mhad.")]
Address = Annotated[str | None, typer.Option(help="Of a running Ray cluster: auto or host:port.")]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Trials at a time.", show_default="as many as fit")]
Isolate = Annotated[bool, typer.Option("--isolate", help="A new process for each trial (seconds each).")]
Parquet = Annotated[bool, typer.Option("--parquet", help="Write trials and steps as Parquet too.")]
RunBy = Annotated[Runner, typer.Option("--runner", help="ray, or serial: one trial after another, no Ray.")]


@app.command()
def sweep(
    file: File,
    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="reports/<study>")] = None,
    runner: RunBy = Runner.ray,
    address: Address = None,
    concurrency: Concurrency = None,
    isolate: Isolate = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an earlier study in the folder aside.")] = False,
    parquet: Parquet = False,
    weights: options.Weights = None,
    data: options.Data = None,
) -> None:
    """Search a study's space and write its tables and its page."""
    from dfkd_ray import trainable
    from dfkd_ray.provenance import provenance
    from dfkd_ray.sweep import launch, live

    study, work = _checked(file, data, weights)
    folder = out or Path("reports") / study.study
    facts = provenance(data=_absolute(data), weights=_absolute(weights))
    typer.echo(_opening(study, folder))
    with options.going_on_with("dfkd-ray", "resume", str(folder)), live.view() as view:
        summary = launch.start(
            study,
            work,
            folder,
            facts,
            trainable.task_info(work),
            runner=runner.value,
            fresh=fresh,
            view=view,
            parquet=parquet,
            **_runner_options(runner, address, concurrency, isolate),
        )
    _close(summary, work)


@app.command()
def resume(
    folder: Folder,
    runner: Annotated[
        Runner | None, typer.Option("--runner", help="ray or serial.", show_default="the study's own")
    ] = None,
    address: Address = None,
    concurrency: Concurrency = None,
    isolate: Isolate = False,
    parquet: Parquet = False,
    weights: options.Weights = None,
    data: options.Data = None,
) -> None:
    """Go on with a study that was interrupted or killed; nothing finished is run again."""
    from dfkd_ray import trainable
    from dfkd_ray.provenance import provenance
    from dfkd_ray.sweep import launch, live

    made: list[Distillation] = []
    before = _begun(folder)
    runner = runner or Runner(before.get("runner", Runner.ray))
    data, weights = data or _path(before.get("data")), weights or _path(before.get("weights"))

    def make_work(study: Study) -> Distillation:
        made.append(trainable.work(study, _absolute(data), weights))
        return made[0]

    with options.going_on_with("dfkd-ray", "resume", str(folder)), live.view() as view:
        summary = launch.resume(
            folder,
            make_work,
            runner=runner.value,
            provenance=provenance(data=_absolute(data), weights=_absolute(weights)),
            view=view,
            parquet=parquet,
            **_runner_options(runner, address, concurrency, isolate),
        )
    _close(summary, made[0])


@app.command()
def plan(
    file: File,
    weights: options.Weights = None,
    data: options.Data = None,
    concurrency: Concurrency = None,
) -> None:
    """Say what a study will run and cost, from a probe of a few steps; launches nothing."""
    from dfkd_ray import config, planning
    from dfkd_ray.probe import probe

    study, work = _checked(file, data, weights)
    cost = probe(work, study.resources.threads, study.seed)
    for line in planning.describe(study, config.parse(work.method).schedule, cost, concurrency):
        typer.echo(line)


@app.command()
def validate(file: File, weights: options.Weights = None, data: options.Data = None) -> None:
    """Check a study file: every mistake at once, with its line."""
    study, _ = _checked(file, data, weights)
    typer.echo(f"{study.study}: {len(study.search)} searched paths, method {study.method}, task {study.task}: valid")


@app.command()
def report(folder: Folder) -> None:
    """Build the page again from a study's tables alone."""
    from dfkd_ray import report as pages

    typer.echo(f"wrote {pages.build(folder)}")


def _checked(file: str, data: Path | None, weights: Path | None) -> tuple[Study, Distillation]:
    from dfkd_ray.study_file import open_study

    return open_study(shipped.study_file(file), _absolute(data), weights)


def _begun(folder: Path) -> dict[str, Any]:
    """How the study in the folder was started; StudyError if there is none."""
    from dfkd_ray.sweep import ledger

    path = folder / ledger.NAME
    records = ledger.read(path)[0] if path.exists() else []
    if not records:
        raise StudyError(f"{folder} holds no study to resume: {ledger.NAME} is missing or empty")
    provenance: dict[str, Any] = records[0]["provenance"]
    return provenance


def _runner_options(runner: Runner, address: str | None, concurrency: int | None, isolate: bool) -> dict[str, Any]:
    chosen = {"address": address, "concurrency": concurrency, "isolate": isolate}
    if runner is Runner.ray:
        return chosen
    if given := [name for name, value in chosen.items() if value]:
        raise typer.BadParameter(f"--{given[0]} is for --runner ray")
    return {}


def _absolute(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)


def _opening(study: Study, folder: Path) -> str:
    budget = f"{study.budget.trials} trials" if study.budget.trials else f"{study.budget.hours:g} hours"
    return f"{study.question or study.study}\n{study.method} on {study.task}, {budget}, into {folder}"


def _close(summary: Summary, work: Distillation) -> None:
    """The answer in a few lines, and the page."""
    from dfkd_ray import report as pages

    counts = f"{summary.complete} complete, {summary.pruned} stopped early, {summary.failed} failed"
    typer.echo(f"{counts}, {summary.seconds:.0f} s")
    best = summary.best
    if best is not None:
        last = best.last or {}
        final = last.get("final", {})
        typer.echo(f"best: trial {best.number}, seed {best.seed}, {_found(last.get('metrics', {}), final, work)}")
        for path, value in best.changes.items():
            typer.echo(f"  {path} = {value:.4g}" if isinstance(value, float) else f"  {path} = {value}")
    typer.echo(f"page: {pages.build(summary.folder)}")


def _found(metrics: dict[str, float], final: dict[str, float], work: Distillation) -> str:
    chance = 1 / len(work.task.classes)
    parts = []
    if "val_accuracy" in metrics:
        parts.append(f"validation {metrics['val_accuracy']:.1%} at the last epoch")
    if "test_accuracy/last" in final:
        parts.append(f"test {final['test_accuracy/last']:.1%} at the last epoch")
        parts.append(f"{final['test_accuracy/best']:.1%} at the best by validation (chance {chance:.1%})")
    return ", ".join(parts) or "no real images to evaluate on"
