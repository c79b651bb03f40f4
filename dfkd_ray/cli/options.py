"""Options that several commands share, and what they mean."""

from __future__ import annotations

import inspect
import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args, get_origin, get_type_hints

import typer

from dfkd_ray.cli import completion
from dfkd_ray.tune.options import Options, parse_gpu
from dfkd_ray.util import choices, limits, store
from dfkd_ray.util.durations import seconds
from dfkd_ray.util.errors import ConfigError

if TYPE_CHECKING:
    from dfkd_ray.stats.looks import Told
    from dfkd_ray.study.overrides import Overrides


def bounded(option: typer.CallbackParam, value: Any) -> Any:
    """The value of an option; BadParameter where it is larger than any may be, see `util.limits`."""
    try:
        limits.check(str(option.name), value)
    except limits.TooLarge as error:
        raise typer.BadParameter(str(error)) from None
    return value


def on_disk(value: Path | None) -> Path | None:
    """The path; BadParameter for a URI, which would be a folder of that name: only a study may lie in a store."""
    if value is not None and store.is_uri(str(value)):
        raise typer.BadParameter(f"{value} is no path of this disk; only a study, or a run, may lie in a store")
    return value


def told(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """The same for Typer, which says of a ValueError only what was given."""

    @wraps(parse)
    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None

    return parsed


_TOLD = {each.name: each.metadata["help"] for each in fields(Options)}


Weights = Annotated[Path | None, typer.Option(help=_TOLD["weights"])]
Data = Annotated[str | None, typer.Option(help=_TOLD["data"])]
OwnImages = Annotated[str | None, typer.Option(help="Real images: a folder or .npz file, by path or URI.")]
Device = Annotated[str, typer.Option(help=_TOLD["device"])]
Precision = Annotated[choices.Precision, typer.Option(help=_TOLD["precision"])]
Cache = Annotated[choices.Cache, typer.Option(help=_TOLD["cache"])]
Threads = Annotated[int, typer.Option(min=0, callback=bounded, help=_TOLD["threads"])]
Address = Annotated[str | None, typer.Option(help=_TOLD["address"])]
Insecure = Annotated[bool, typer.Option("--insecure", help=_TOLD["insecure"])]


def _loaded(value: list[str] | None) -> list[str] | None:
    """Plug-ins are loaded as soon as they are read, before another option asks for what they register."""
    from dfkd_ray.runs import plugins

    plugins.load(value or ())
    return value


Plugin = Annotated[
    list[str] | None,
    typer.Option("--plugin", callback=_loaded, is_eager=True, metavar="FILE|MODULE", help=_TOLD["plugin"]),
]
_SHARD = {name: text.replace("trial", "shard") for name, text in _TOLD.items()}
Cpu = Annotated[float | None, typer.Option(callback=bounded, help=_SHARD["cpu"], show_default="1")]
Gpu = Annotated[
    str | None, typer.Option(parser=told(parse_gpu), metavar="auto|FLOAT", help=_SHARD["gpu"], show_default="auto")
]
Memory = Annotated[float | None, typer.Option(callback=bounded, help=_SHARD["memory"])]
Accelerator = Annotated[str | None, typer.Option(help=_SHARD["accelerator"])]
Custom = Annotated[list[str] | None, typer.Option(metavar="NAME=AMOUNT", help=_SHARD["custom"])]
Wait = Annotated[str | None, typer.Option(parser=told(seconds), metavar="DURATION", help=_SHARD["wait"])]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="Change a path of the method, e.g. --set schedule.epochs=20; null removes a loss term. See `explain`.",
        autocompletion=completion.assignments,
    ),
]
AcceptChanges = Annotated[
    bool,
    typer.Option(
        "--accept-changes", help="Go on though method, teacher, task or images are others, and mark each later trial."
    ),
]
Track = Annotated[list[str] | None, typer.Option(metavar="NAME[:PLACE]", help=_TOLD["track"])]
Seed = Annotated[int, typer.Option(callback=bounded, help="Of initial weights and of all noise.")]
Preset = Annotated[
    str | None,
    typer.Option(
        help="A recipe at a budget: see `ls presets`.",
        show_default="the study's, or paper",
        autocompletion=completion.presets,
    ),
]
Trials = Annotated[int | None, typer.Option(min=1, callback=bounded, help="Of a sweep, in place of its budget's.")]
Hours = Annotated[float | None, typer.Option(callback=bounded, help="Of a sweep, in place of its budget's.")]
_OF_ARMS = "Of each arm of an ablation or setting of a sweep, in place of its file's."
Seeds = Annotated[int | None, typer.Option(min=1, callback=bounded, help=_OF_ARMS)]
_TASK = "Another task: a name (see `ls tasks`), a YAML file or folder:PATH."
Task = Annotated[str | None, typer.Option(help=_TASK, show_default="the study's")]
_OF_EACH = typer.Option(min=1, callback=bounded, help="Of every trial.", show_default="the method's")


@dataclass(frozen=True)
class SmallTry:
    """A small try of a study, without a copy of its file; see `unfolded`."""

    changes: Set = None
    trials: Trials = None
    seeds: Seeds = None
    epochs: Annotated[int | None, _OF_EACH] = None
    until: Annotated[
        str | None,
        typer.Option(
            metavar="told|POINTS",
            help="Of an ablation: add seeds, twice as many each time and at most four times as many, until every "
            "effect is told apart, or no interval is wider. Intervals and verdicts pay for the looks.",
        ),
    ] = None
    preset: Preset = None
    task: Task = None
    hours: Hours = None
    confirm: Annotated[
        str | None,
        typer.Option(metavar="TOPxSEEDS", help="Of a sweep's winner: as in its file.", show_default="its file's"),
    ] = None

    @property
    def overrides(self) -> Overrides:
        from dfkd_ray.runs.study_file import absolute
        from dfkd_ray.study.overrides import Overrides

        until, task = _until(self.until), None if self.task is None else absolute(self.task)
        small = (self.trials, self.seeds, self.epochs, until, self.preset, task, self.confirm, self.hours)
        return Overrides(assignments(self.changes), *small)


def _until(said: str | None) -> float | Told | None:
    try:
        return cast("Told | None", said) if said in (None, "told") else float(str(said))
    except ValueError:
        raise typer.BadParameter(f"--until takes told, or a number of points, got {said!r}") from None


def unfolded(command: Callable[..., None]) -> Callable[..., None]:
    """Decorator: a parameter that is a dataclass stands for an option a field, which is how Typer sees the command."""
    own = inspect.signature(command, eval_str=True).parameters
    groups: dict[str, Any] = {name: p.annotation for name, p in own.items() if is_dataclass(p.annotation)}
    split = [list(_options(groups[name])) if name in groups else [parameter] for name, parameter in own.items()]
    seen = [parameter for parameters in split for parameter in parameters]

    @wraps(command)
    def called(**values: Any) -> None:
        made = {name: group(**_taken(values, group)) for name, group in groups.items()}
        command(**values, **made)

    keywords = [parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY) for parameter in seen]
    called.__signature__ = inspect.Signature(keywords)  # type: ignore[attr-defined]
    called.__annotations__ = {parameter.name: parameter.annotation for parameter in seen}
    return called


def _taken(values: dict[str, Any], group: Any) -> dict[str, Any]:
    """The values of a group's options, out of those of the command; one that may be given again is a tuple."""
    taken = {f.name: values.pop(f.name) for f in fields(group)}
    again = {f.name for f in fields(group) if f.default == ()}
    return {name: tuple(value or ()) if name in again else value for name, value in taken.items()}


def _options(group: Any) -> Iterator[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for f in fields(group):
        default = inspect.Parameter.empty if f.default is MISSING else f.default
        annotation = hints[f.name]
        if "help" in f.metadata:
            default, annotation = _described(f, annotation)
        yield inspect.Parameter(f.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def _described(f: Field[Any], hint: Any) -> tuple[Any, Any]:
    """Default and annotation of a field that says by itself what it is for, see `Options`."""
    if f.name == "plugin":  # what it registers is there before other options ask for it
        return None, Plugin
    more = {key: f.metadata[key] for key in ("min", "metavar") if key in f.metadata}
    if parse := f.metadata.get("parse"):  # whatever it makes of the text: Typer knows no unions
        more, hint = {**more, "parser": told(parse)}, str | None
    name = f.metadata.get("name", f.name)
    option = typer.Option(f"--{name}", help=f.metadata["help"], show_default=f.metadata.get("shown", False), **more)
    if get_origin(hint) is tuple:  # one that may be given again
        return None, Annotated[list[get_args(hint)[0]] | None, option]  # type: ignore[misc]
    return f.default, Annotated[hint, option]


@contextmanager
def going_on_with(*command: str) -> Iterator[None]:
    """Ctrl-C, or a signal like it, within the block ends with exit code 130, why, and the command (word by word) that
    goes on from there."""
    from dfkd_ray.tune.interrupts import Interrupts

    interrupts = Interrupts()
    try:
        with interrupts, interrupts.at_once():
            yield
    except BaseException as stopped:
        if not (isinstance(stopped, KeyboardInterrupt) or interrupts.pending):  # which a library may have renamed
            raise
        if cause := getattr(stopped, "cause", None):
            typer.echo(f"the study cannot go on: {cause}", err=True)
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
