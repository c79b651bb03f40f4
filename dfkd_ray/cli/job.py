"""Jobs on a Ray cluster that is elsewhere, sent there by `submit`: `logs`, `stop`, `pull`; see also `status`."""

from __future__ import annotations

import json
import secrets
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from dfkd_ray.cli import app, dashboard, options
from dfkd_ray.util import limits, store
from dfkd_ray.util.errors import GivenUp, StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.words import counted

if TYPE_CHECKING:
    from dfkd_ray.tune.packing import Students

Job = Annotated[str, typer.Argument(metavar="JOB", help="The job, as `submit` called it; see `status`.")]
PULLED = "pulled.json"  # says of a folder whose copy it is


@app.command()
def logs(
    job: Job,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
    address: dashboard.Address = None,
    insecure: options.Insecure = False,
) -> None:
    """What a job has printed. With -f its exit code is the job's."""
    with dashboard.connected(address, insecure) as jobs:
        if not follow:
            typer.echo(jobs.logs(job), nl=False)
            return
        ended = jobs.follow(job, lambda text: typer.echo(text, nl=False))
    typer.echo(dashboard.line(ended), err=True)
    if code := _exit_code(ended):
        raise typer.Exit(code)


@app.command()
def stop(job: Job, address: dashboard.Address = None, insecure: options.Insecure = False) -> None:
    """Interrupt a job as Ctrl-C would, and wait for its tables; `submit` with the same words goes on."""
    with dashboard.connected(address, insecure) as jobs:
        typer.echo(dashboard.line(jobs.stop(job)))


@app.command()
def pull(
    job: Job,
    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="reports/<study>")] = None,
    students: Annotated[str, typer.Option(metavar="best|all|none", help="Of which trials.")] = "best",
    address: dashboard.Address = None,
    insecure: options.Insecure = False,
) -> None:
    """Fetch a study from a cluster: tables, ledger, page, pictures, students; its checkpoints stay."""
    from dfkd_ray.tune.packing import unpack

    if students not in ("best", "all", "none"):
        raise typer.BadParameter(f"--students takes best, all or none, got {students!r}")
    with dashboard.connected(address, insecure) as jobs:
        facts = jobs.one(job).metadata or {}
        if "folder" not in facts:
            raise StudyError(f"{job} was not sent by `dfkd-ray submit`, so its folder is not known")
        into = out or Path("reports") / dashboard.plain_name(facts["study"])
        _check_pulled(into, facts["folder"])
        if store.is_uri(facts["folder"]):
            return _pull_from_a_store(facts["folder"], into, cast("Students", students))
        packing = f"pull-{job}-{secrets.token_hex(3)}"
        command = ["python", "-m", "dfkd_ray", "pack", facts["folder"], "--students", students]
        jobs.submit(shlex.join(command), packing, {}, {"study": facts["study"], "what": "pull"})
        ended = jobs.ended(packing)
        said = jobs.logs(packing)
    if _exit_code(ended):
        why = next((line for line in said.splitlines() if line.startswith("error: ")), dashboard.line(ended))
        raise StudyError(why.removeprefix("error: "))
    into.mkdir(parents=True, exist_ok=True)
    count = unpack(said.splitlines(), into)
    with atomic_write(into / PULLED) as file:
        file.write(json.dumps({"folder": facts["folder"], "from": jobs.address, "job": job}).encode())
    typer.echo(f"{counted(count, 'file')} of {facts['folder']} in {into}; page: {into / 'report.html'}")


def _pull_from_a_store(url: str, into: Path, students: Students) -> None:
    from dfkd_ray.tune.pulling import fetch

    count = fetch(url, into, students)
    typer.echo(f"{counted(count, 'file')} of {url} in {into}; page: {into / 'report.html'}")


@app.command(hidden=True)
def pack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER")], students: Annotated[str, typer.Option()] = "best"
) -> None:
    """What `pull` has a cluster do."""
    from dfkd_ray.tune import packing

    for line in packing.pack(folder, students):  # type: ignore[arg-type]
        typer.echo(line)


def _check_pulled(into: Path, folder: str) -> None:
    """StudyError for a folder that holds anything but an earlier copy of that one."""
    if not into.exists() or not any(into.iterdir()):
        return
    if (there := store.of(into)) is not None and there.url == folder:
        return
    mark = into / PULLED
    if not mark.is_file() or limits.read_json(mark).get("folder") != folder:
        raise StudyError(f"{into} is there already, and is no copy of {folder}: name another folder with --out")


def _exit_code(job: Any) -> int:
    """A job's exit code; 130 of one that was stopped, 3 of one that ended otherwise without one."""
    if str(job.status) == "SUCCEEDED":
        return 0
    return int(job.driver_exit_code or (130 if str(job.status) == "STOPPED" else GivenUp.exit_code))
