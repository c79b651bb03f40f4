"""A study on a Ray cluster that is elsewhere: `submit`, `status`, `logs`, `stop`, `pull`."""

from __future__ import annotations

import json
import secrets
import shlex
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.main import get_command

from dfkd_ray import __version__
from dfkd_ray.cli import app, options
from dfkd_ray.util import shipped
from dfkd_ray.util.errors import ConfigError, GivenUp, StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.words import roughly

if TYPE_CHECKING:
    from dfkd_ray.tune.ray_jobs import Jobs

Address = Annotated[
    str | None,
    typer.Option(
        help="Of the cluster's dashboard: http://HOST:8265.",
        show_default="RAY_API_SERVER_ADDRESS, or this machine's",
    ),
]
Job = Annotated[str, typer.Argument(metavar="JOB", help="The job, as `submit` called it; see `status`.")]
PULLED = "pulled.json"  # says of a folder whose copy it is


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit(
    context: typer.Context,
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study file, a shipped study or a published table, by name.")
    ],
    out: Annotated[
        str, typer.Option(help="The study's folder on the cluster: an absolute path that outlives it, or a URI.")
    ],
    address: Address = None,
    insecure: options.Insecure = False,
    weights: Annotated[
        str | None, typer.Option(help="The teacher: a file here, which is sent; or a path there.")
    ] = None,
    folder: Annotated[
        Path | None, typer.Option(help="Send this whole folder, in which the study's file is, own code and all.")
    ] = None,
    environment: Annotated[
        Path | None, typer.Option("--runtime-env", metavar="FILE", help="Ray's runtime environment, a YAML file.")
    ] = None,
    env: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of the job's environment; wins.")
    ] = None,
    job: Annotated[str | None, typer.Option("--name", help="Of the job.", show_default="after the study")] = None,
) -> None:
    """Run a study on a cluster, where it goes on when this machine is off. The same command again goes on with it.

    What else `sweep`, `ablate` or `reproduce` take may be said as well: --data, --gpu, --set, ...
    """
    from dfkd_ray.tune.job_files import named, stage

    _check_out(out)
    asked = _Asked(study, folder)
    files, rest = dict(named(asked.file)) if asked.file and folder is None else {}, list(context.args)
    if weights is not None:
        rest += ["--weights", _sent(Path(weights), files)]
    if insecure:
        rest.append("--insecure")
    if "--fresh" not in rest:
        rest.append("--continue")
    words = [asked.command, asked.word, "--address", "auto", "--out", out, *rest]
    _check(context, words)
    made = {**_runtime_env(environment), "env_vars": _env_vars(environment, env)}
    name = job or f"{asked.name}-{secrets.token_hex(3)}"
    with _jobs(address, insecure) as jobs, tempfile.TemporaryDirectory(prefix="dfkd-ray-") as staged:
        stage(files, Path(staged))
        if files or folder:
            made["working_dir"] = str(folder or staged)
        command = shlex.join(["python", "-m", "dfkd_ray", "--of", __version__, *words])
        jobs.submit(command, name, made, {"study": asked.name, "folder": out, "dfkd_ray": __version__})
        where = f"{name} --address {jobs.address}" + (" --insecure" if insecure else "")
    typer.echo(f"{name} is on its way: {command}")
    typer.echo(f"  dfkd-ray logs -f {where}\n  dfkd-ray pull {where}")


@app.command()
def status(
    job: Annotated[str | None, typer.Argument(metavar="JOB", help="One job alone.")] = None,
    address: Address = None,
    insecure: options.Insecure = False,
) -> None:
    """The jobs of a cluster, the newest last: name, state, since when, folder."""
    with _jobs(address, insecure) as jobs:
        found = [jobs.one(job)] if job else jobs.all()
    for each in found:
        typer.echo(_line(each))
    if not found:
        typer.echo(f"no job at {jobs.address}")


@app.command()
def logs(
    job: Job,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Until the job ends.")] = False,
    address: Address = None,
    insecure: options.Insecure = False,
) -> None:
    """What a job has printed. With -f its exit code is the job's."""
    with _jobs(address, insecure) as jobs:
        if not follow:
            typer.echo(jobs.logs(job), nl=False)
            return
        ended = jobs.follow(job, lambda text: typer.echo(text, nl=False))
    typer.echo(_line(ended), err=True)
    if code := _exit_code(ended):
        raise typer.Exit(code)


@app.command()
def stop(job: Job, address: Address = None, insecure: options.Insecure = False) -> None:
    """Interrupt a job as Ctrl-C would, and wait for its tables; `submit` with the same words goes on."""
    with _jobs(address, insecure) as jobs:
        typer.echo(_line(jobs.stop(job)))


@app.command()
def pull(
    job: Job,
    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="reports/<study>")] = None,
    students: Annotated[str, typer.Option(metavar="best|all|none", help="Of which trials.")] = "best",
    address: Address = None,
    insecure: options.Insecure = False,
) -> None:
    """Fetch a study from a cluster: tables, ledger, page, pictures, students; its checkpoints stay."""
    from dfkd_ray.tune.packing import unpack

    if students not in ("best", "all", "none"):
        raise typer.BadParameter(f"--students takes best, all or none, got {students!r}")
    with _jobs(address, insecure) as jobs:
        facts = jobs.one(job).metadata or {}
        if "folder" not in facts:
            raise StudyError(f"{job} was not sent by `dfkd-ray submit`, so its folder is not known")
        if "://" in facts["folder"]:
            raise StudyError(f"{job} writes into {facts['folder']}: fetch it from there")
        into = out or Path("reports") / facts["study"]
        _check_pulled(into, facts["folder"])
        packing = f"pull-{job}-{secrets.token_hex(3)}"
        command = ["python", "-m", "dfkd_ray", "pack", facts["folder"], "--students", students]
        jobs.submit(shlex.join(command), packing, {}, {"study": facts["study"], "what": "pull"})
        ended = jobs.ended(packing)
        said = jobs.logs(packing)
    if _exit_code(ended):
        why = next((line for line in said.splitlines() if line.startswith("error: ")), _line(ended))
        raise StudyError(why.removeprefix("error: "))
    into.mkdir(parents=True, exist_ok=True)
    count = unpack(said.splitlines(), into)
    with atomic_write(into / PULLED) as file:
        file.write(json.dumps({"folder": facts["folder"], "from": jobs.address, "job": job}).encode())
    typer.echo(f"{count} files of {facts['folder']} are in {into}; page: {into / 'report.html'}")


@app.command(hidden=True)
def pack(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER")], students: Annotated[str, typer.Option()] = "best"
) -> None:
    """What `pull` has a cluster do."""
    from dfkd_ray.tune import packing

    for line in packing.pack(folder, students):  # type: ignore[arg-type]
        typer.echo(line)


class _Asked:
    """Which command runs a study, and by which word it is named there; `file`: its own, None of what is shipped."""

    def __init__(self, study: str, folder: Path | None) -> None:
        from dfkd_ray.study import published
        from dfkd_ray.study.ablation import KEYS
        from dfkd_ray.util import yamls

        if study in published.names():
            self.command, self.word, self.name = "reproduce", study, study.replace("/", "-")
            self.file: Path | None = None
            return
        path = shipped.study_file(study)
        raw = yamls.load(path).data
        raw = raw if isinstance(raw, dict) else {}
        self.command = "ablate" if raw.keys() & set(KEYS) else "sweep"
        self.name = str(raw.get("study", path.stem))
        own = path not in shipped.studies()
        self.file = path if own else None
        self.word = (path.name if folder is None else _within(path, folder)) if own else path.stem


def _within(path: Path, folder: Path) -> str:
    if not path.resolve().is_relative_to(folder.resolve()):
        raise StudyError(f"{path} is not in {folder}, which --folder sends")
    return path.resolve().relative_to(folder.resolve()).as_posix()


def _check_out(out: str) -> None:
    if not (out.startswith("/") or "://" in out):
        told = f"{out!r} would lie in the job's own folder, which goes with the cluster"
        raise ConfigError.at("--out", f"{told}: an absolute path, or a URI")


def _sent(weights: Path, files: dict[str, Path]) -> str:
    """The teacher's file and its card become files of the job where they are here; its name there."""
    if not weights.is_file():
        if not weights.is_absolute() and "://" not in str(weights):
            raise StudyError(f"{weights} is not here: a path on the cluster has to be absolute")
        return str(weights)
    for each in (weights, weights.with_suffix(".json")):
        if each.is_file():
            files[f"weights/{each.name}"] = each
    return f"weights/{weights.name}"


def _check(context: typer.Context, words: list[str]) -> None:
    """Wrong usage is told here, not by the cluster."""
    command = get_command(app).commands[words[0]]  # type: ignore[attr-defined]
    command.make_context(words[0], list(words[1:]), parent=context.parent)


def _runtime_env(file: Path | None) -> dict[str, Any]:
    from dfkd_ray.util import yamls

    raw = {} if file is None else yamls.load(file).data
    if not isinstance(raw, dict):
        raise StudyError(f"{file}: Ray's runtime environment is a mapping, e.g. pip: [timm]")
    return raw


def _env_vars(file: Path | None, said: list[str] | None) -> dict[str, str]:
    pairs = {name: str(value) for name, value in (_runtime_env(file).get("env_vars") or {}).items()}
    for pair in said or []:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError.at("--env", f"expected NAME=VALUE, got {pair!r}")
        pairs[name] = value
    return pairs


@contextmanager
def _jobs(address: str | None, insecure: bool) -> Iterator[Jobs]:
    from dfkd_ray.tune import ray_dashboard
    from dfkd_ray.tune.ray_setup import environment

    at, other = ray_dashboard.check(address, insecure)
    if other:
        typer.echo(f"{other}: its own runs the job", err=True)
    with environment(at):
        from dfkd_ray.tune.ray_jobs import Jobs

        yield Jobs(at)


def _check_pulled(into: Path, folder: str) -> None:
    """StudyError for a folder that holds anything but an earlier copy of that one."""
    from dfkd_ray.util import limits

    if not into.exists() or not any(into.iterdir()):
        return
    mark = into / PULLED
    if not mark.is_file() or limits.read_json(mark).get("folder") != folder:
        raise StudyError(f"{into} is there already, and is no copy of {folder}: name another folder with --out")


def _line(job: Any) -> str:
    """`mhad-1f2e3d RUNNING, 5 min, /shared/mhad: message`."""
    facts = job.metadata or {}
    end = (job.end_time or time.time() * 1000) / 1000
    took = f", {roughly(end - job.start_time / 1000)}" if job.start_time else ""
    folder = f", {facts['folder']}" if "folder" in facts else ""
    message = f": {_last_words(str(job.message))}" if job.message and job.status.is_terminal() else ""
    return f"{job.submission_id} {job.status}{took}{folder}{message}"


def _last_words(message: str) -> str:
    """Of what Ray says of a job that has ended: its first line, or where it quotes the job's log the last of that."""
    first, *log = [line for line in message.splitlines() if line.strip()] or [""]
    return log[-1] if log else first


def _exit_code(job: Any) -> int:
    """A job's exit code; 130 of one that was stopped, 3 of one that ended otherwise without one."""
    if str(job.status) == "SUCCEEDED":
        return 0
    return int(job.driver_exit_code or (130 if str(job.status) == "STOPPED" else GivenUp.exit_code))
