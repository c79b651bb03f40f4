"""Options that several commands share, and what they mean."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer

from dfkd_ray.util.errors import ConfigError

Data = Annotated[
    Path | None,
    typer.Option(help="Folder or .npz file of the task's real images, read for evaluation only."),
]
Weights = Annotated[
    Path | None,
    typer.Option(help="The teacher: a plain state_dict (.pt, .pth) or .safetensors; a card (.json) beside it is read."),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a path of the method, e.g. --set schedule.epochs=20; null removes a loss term."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, ...")]
Precision = Annotated[str, typer.Option(help="float32; autocast: bfloat16, or float16 for GPUs without it.")]
Cache = Annotated[
    str,
    typer.Option(help="Where decoded images lie: memmap (on the disk, decoded once) or memory (nothing is written)."),
]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 leaves torch's choice.")]
Seed = Annotated[int, typer.Option(help="Of initial weights and of all noise.")]


class Runner(StrEnum):
    """Who runs the trials."""

    ray = "ray"
    serial = "serial"


Address = Annotated[str | None, typer.Option(help="Of a running Ray cluster: auto or host:port.")]
Concurrency = Annotated[int | None, typer.Option(min=1, help="Trials at a time.", show_default="as many as fit")]
Isolate = Annotated[bool, typer.Option("--isolate", help="A new process for each trial (seconds each).")]
Parquet = Annotated[bool, typer.Option("--parquet", help="Write trials and steps as Parquet too.")]
Reuse = Annotated[
    list[Path] | None,
    typer.Option("--reuse", help="Folder of an earlier study whose finished trials may be taken over."),
]


@dataclass(frozen=True)
class Running:
    """How a study is run, and on what: the options of every command that starts one; see `unfolded`."""

    out: Annotated[Path | None, typer.Option(help="Folder.", show_default="reports/<study>")] = None
    runner: Annotated[Runner, typer.Option("--runner", help="ray, or serial: one trial after another, no Ray.")] = (
        Runner.ray
    )
    address: Address = None
    concurrency: Concurrency = None
    isolate: Isolate = False
    fresh: Annotated[bool, typer.Option("--fresh", help="Move an earlier study in the folder aside.")] = False
    parquet: Parquet = False
    weights: Weights = None
    data: Data = None

    def __post_init__(self) -> None:
        runner_options(self.runner, self.address, self.concurrency, self.isolate)

    @property
    def chosen(self) -> dict[str, Any]:
        """What `sweep.launch.start` is told."""
        cluster = runner_options(self.runner, self.address, self.concurrency, self.isolate)
        return {"runner": self.runner.value, "fresh": self.fresh, "parquet": self.parquet, **cluster}


def runner_options(runner: Runner, address: str | None, concurrency: int | None, isolate: bool) -> dict[str, Any]:
    """What a runner takes of these; the usage error of those that it does not."""
    chosen = {"address": address, "concurrency": concurrency, "isolate": isolate}
    if runner is Runner.ray:
        return chosen
    if given := [name for name, value in chosen.items() if value]:
        raise typer.BadParameter(f"--{given[0]} is for --runner ray")
    return {}


def unfolded(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: a parameter that is a dataclass stands for an option a field, which is how Typer sees the command."""
    own = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {name: p.annotation for name, p in own.items() if is_dataclass(p.annotation)}
    split = [list(_options(groups[name])) if name in groups else [parameter] for name, parameter in own.items()]
    seen = [parameter for parameters in split for parameter in parameters]

    @wraps(command)
    def called(**values: Any) -> None:
        made = {name: group(**{p.name: values.pop(p.name) for p in _options(group)}) for name, group in groups.items()}
        command(**values, **made)

    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in seen]
    called.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in seen}
    return called


def _options(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for f in fields(group):
        default = inspect.Parameter.empty if f.default is MISSING else f.default
        yield inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=hints[f.name])


def absolute(path: Path | None) -> str | None:
    """Workers may stand elsewhere."""
    return None if path is None else str(path.resolve())


@contextmanager
def going_on_with(*command: str) -> Iterator[None]:
    """Ctrl-C within the block ends with exit code 130 and the command (word by word) that goes on from there."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"interrupted; resume with: {shlex.join(command)}", err=True)
        raise typer.Exit(130) from None


def assignments(pairs: list[str] | None) -> dict[str, Any]:
    """`["a.b=1", "c=null"]` as changes; ConfigError for what is no assignment."""
    from dfkd_ray.util import yamls

    changes: dict[str, Any] = {}
    for pair in pairs or []:
        path, equals, text = pair.partition("=")
        if not equals or not path:
            raise ConfigError.at("--set", f"expected path=value, got {pair!r}")
        if path in changes:
            raise ConfigError.at("--set", f"{path} is given twice")
        try:
            changes[path] = yamls.value(text)
        except ConfigError as error:
            raise ConfigError.at("--set", f"{path}: {error.problems[0].message}") from None
    return changes
