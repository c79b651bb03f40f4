"""`submit`: a study becomes a job of a Ray cluster that is elsewhere."""

from __future__ import annotations

import secrets
import shlex
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.main import get_command

from dfkd_ray import __version__
from dfkd_ray.cli import app, dashboard, options
from dfkd_ray.util import shipped
from dfkd_ray.util.errors import ConfigError, StudyError

Weights = Annotated[str | None, typer.Option(help="The teacher: a file here, which is sent; or a path there.")]
Folder = Annotated[
    Path | None, typer.Option(help="Send this whole folder, in which the study's file is, own code and all.")
]
RuntimeEnv = Annotated[
    Path | None, typer.Option("--runtime-env", metavar="FILE", help="Ray's runtime environment, a YAML file.")
]
Variables = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A variable of the job's environment; wins.")
]


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def submit(
    context: typer.Context,
    study: Annotated[
        str, typer.Argument(metavar="STUDY", help="A study file, a shipped study or a published table, by name.")
    ],
    out: Annotated[
        str, typer.Option(help="The study's folder on the cluster: an absolute path that outlives it, or a URI.")
    ],
    address: dashboard.Address = None,
    insecure: options.Insecure = False,
    weights: Weights = None,
    folder: Folder = None,
    environment: RuntimeEnv = None,
    env: Variables = None,
    plugin: options.Plugin = None,
    named: Annotated[str | None, typer.Option("--name", help="Of the job.", show_default="after the study")] = None,
) -> None:
    """Run a study on a cluster, where it goes on when this machine is off. The same command again goes on with it.

    What else `sweep`, `ablate` or `reproduce` take may be said as well: --data, --gpu, --set, ...
    """
    from dfkd_ray.tune import job_files

    _check_out(out)
    asked = _Asked(study, folder)
    files = dict(job_files.named(asked.file)) if asked.file and folder is None else {}
    own = [*_weights(weights, files, folder), *_plugins(plugin or [], files, folder)]
    own += ["--insecure"] * insecure + ["--continue"] * ("--fresh" not in context.args)
    said = [asked.command, asked.word, "--address", "auto", "--out", out, *context.args]
    _check(context, said)  # own code is loaded already, from where it is here
    made = {**_runtime_env(environment), "env_vars": _env_vars(environment, env)}
    name = named or f"{dashboard.plain_name(asked.name)}-{secrets.token_hex(3)}"
    with dashboard.connected(address, insecure) as jobs, tempfile.TemporaryDirectory(prefix="dfkd-ray-") as staged:
        job_files.stage(files, Path(staged))
        if files or folder:
            made["working_dir"] = str(folder or staged)
        command = shlex.join(["python", "-m", "dfkd_ray", "--of", __version__, *said, *own])
        jobs.submit(command, name, made, {"study": asked.name, "folder": out, "dfkd_ray": __version__})
    where = f"{name} --address {jobs.address}" + " --insecure" * insecure
    typer.echo(f"{name} is on its way: {command}\n  dfkd-ray logs -f {where}\n  dfkd-ray pull {where}")


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


def _weights(weights: str | None, files: dict[str, Path], folder: Path | None) -> list[str]:
    return [] if weights is None else ["--weights", _sent(Path(weights), files, folder)]


def _sent(weights: Path, files: dict[str, Path], folder: Path | None) -> str:
    """The teacher's file and its card become files of the job where they are here; its name there, which is that in the
    folder where one is sent."""
    from dfkd_ray.teachers.unwrapping import file_of
    from dfkd_ray.teachers.weights import card_path

    file = file_of(weights)
    if not file.is_file():
        if not weights.is_absolute() and "://" not in str(weights):
            raise StudyError(f"{weights} is not here: a path on the cluster has to be absolute")
        return str(weights)
    if folder is not None:
        return str(Path(_within(file, folder)).with_name(weights.name))
    for each in (file, card_path(file)):
        if each is not None:
            files[f"weights/{each.name}"] = each
    return f"weights/{weights.name}"


def _plugins(given: list[str], files: dict[str, Path], folder: Path | None) -> list[str]:
    """Own code becomes files of the job, by the names that it has here; the words that load it there."""
    words: list[str] = []
    for name in given:
        path = Path(name)
        sent = folder is not None and path.exists()
        words += ["--plugin", _within(path, folder) if folder is not None and sent else name]
        if sent or not path.exists():  # it goes with the folder; a module that the cluster has
            continue
        if path.is_absolute() or ".." in path.parts:
            raise StudyError(f"{name} is not below where you stand: send a folder that has it, --folder")
        files |= {str(each): each for each in (sorted(path.rglob("*.py")) if path.is_dir() else [path])}
    return words


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
