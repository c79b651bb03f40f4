"""Studies: `sweep`, `ablate`, `resume`, `plan`, `validate`, `report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dfkd_ray.cli import app, options, outcome, running
from dfkd_ray.util.errors import StudyError

if TYPE_CHECKING:
    from dfkd_ray.runs.distillation import Distillation
    from dfkd_ray.study import Study


File = Annotated[str, typer.Argument(metavar="STUDY", help="A study file, or the name of a shipped one.")]
Folder = Annotated[Path, typer.Argument(metavar="FOLDER", help="The study's folder, e.g. reports/mhad.")]


@app.command()
@options.unfolded
def sweep(file: File, how: options.Running) -> None:
    """Search a study's space and write its tables and its page."""
    study, work = running.checked(file, how.data, how.weights)
    if study.ablation is not None:
        raise StudyError(f"{study.study} is an ablation; run: dfkd-ray ablate {file}")
    running.start(study, work, how)


@app.command()
@options.unfolded
def ablate(file: File, how: options.Running, reuse: options.Reuse = None) -> None:
    """Run a designed experiment: every arm with the same seeds, its effects with intervals and verdicts."""
    study, work = running.checked(file, how.data, how.weights)
    if study.ablation is None:
        raise StudyError(f"{study.study} is a sweep; run: dfkd-ray sweep {file}")
    running.start(study, work, how, reuse=tuple(reuse or ()))


@app.command()
def resume(
    folder: Folder,
    runner: Annotated[
        options.Runner | None, typer.Option("--runner", help="ray or serial.", show_default="the study's own")
    ] = None,
    address: options.Address = None,
    concurrency: options.Concurrency = None,
    isolate: options.Isolate = False,
    parquet: options.Parquet = False,
    weights: options.Weights = None,
    data: options.Data = None,
) -> None:
    """Go on with a study that was interrupted or killed; nothing finished is run again."""
    from dfkd_ray.runs import distillation
    from dfkd_ray.tune import launch, live
    from dfkd_ray.util.provenance import provenance

    made: list[Distillation] = []
    before = _begun(folder)
    runner = runner or options.Runner(before.get("runner", options.Runner.ray))
    data, weights = data or _path(before.get("data")), weights or _path(before.get("weights"))

    def make_work(study: Study) -> Distillation:
        made.append(distillation.work(study, options.absolute(data), weights))
        return made[0]

    with options.going_on_with("dfkd-ray", "resume", str(folder)), live.view() as view:
        summary = launch.resume(
            folder,
            make_work,
            runner=runner.value,
            provenance=provenance(data=options.absolute(data), weights=options.absolute(weights)),
            view=view,
            parquet=parquet,
            reuse=[path for path in map(Path, before.get("reuse", ())) if path.exists()],
            **options.runner_options(runner, address, concurrency, isolate),
        )
    outcome.close(summary, made[0])


@app.command()
def plan(
    file: File,
    weights: options.Weights = None,
    data: options.Data = None,
    concurrency: options.Concurrency = None,
) -> None:
    """Say what a study will run and cost, from a probe of a few steps; launches nothing."""
    study, work = running.checked(file, data, weights)
    for line in running.planned(study, work, concurrency):
        typer.echo(line)


@app.command()
def validate(file: File, weights: options.Weights = None, data: options.Data = None) -> None:
    """Check a study file: every mistake at once, with its line."""
    study, _ = running.checked(file, data, weights)
    what = f"{len(study.search)} searched paths" if study.ablation is None else f"{len(study.ablation.arms)} arms"
    typer.echo(f"{study.study}: {what}, method {study.method}, task {study.task}: valid")


@app.command()
def report(
    folders: Annotated[
        list[Path], typer.Argument(metavar="FOLDER...", help="The study's folder; or several, of ablations.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="Of several: write the table as OUT.md and OUT.tex too.", show_default=False)
    ] = None,
) -> None:
    """Build the page again from a study's tables alone; of several ablations one table, arms x tasks."""
    from dfkd_ray import report as pages

    if len(folders) > 1:
        text, written = pages.cross(folders, out)
        typer.echo(text, nl=False)
        for path in written:
            typer.echo(f"wrote {path}", err=True)
    elif out is not None:
        raise typer.BadParameter("--out is for several folders; one study's table is its arms.md and arms.tex")
    else:
        typer.echo(f"wrote {pages.build(folders[0])}")


def _begun(folder: Path) -> dict[str, Any]:
    """How the study in the folder was started; StudyError if there is none."""
    from dfkd_ray.tune import ledger

    path = folder / ledger.NAME
    records = ledger.read(path)[0] if path.exists() else []
    if not records:
        raise StudyError(f"{folder} holds no study to resume: {ledger.NAME} is missing or empty")
    provenance: dict[str, Any] = records[0]["provenance"]
    return provenance


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(text)
