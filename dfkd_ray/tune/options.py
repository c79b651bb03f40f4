"""How work is run, and on what: one object from every command to the trial. Never a part of what a method is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dfkd_ray.tune.room import WAIT
from dfkd_ray.tune.watchdog import FACTOR
from dfkd_ray.util import limits
from dfkd_ray.util.choices import Cache, Precision, Runner
from dfkd_ray.util.durations import seconds
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.every import Every
from dfkd_ray.util.files import anchored
from dfkd_ray.util.secrets import redacted_facts
from dfkd_ray.util.store import folder_of, url_of

if TYPE_CHECKING:
    from dfkd_ray.study import Resources

RETRIES = 2


def parse_gpu(text: str) -> float | str:
    """`auto`, or a number; ValueError for all else."""
    try:
        return text if text == "auto" else limits.real(text)
    except ValueError:
        raise ValueError(f"takes auto or a number of GPUs, got {text!r}") from None


def _option(told: str, *, default: Any = None, **more: Any) -> Any:
    """A field that the command line offers as an option: `told` is its help, `shown` what holds where nobody says,
    `name` what it is called there, where a field cannot be called so."""
    return field(default=default, metadata={"help": told, **more})


@dataclass(frozen=True)
class Options:
    """What was said of how to run something; None where nothing was, and then the study's own word holds.

    Each field is an option of every command that runs or plans (its help stands here), is kept in the ledger, holds
    again at a resume that does not say otherwise, and reaches the trial. ConfigError where two do not go together.
    """

    out: str | None = _option(
        "Folder, or the URI of one in a store: s3://bucket/study, gs://, az://.",
        shown="reports/<study>; of one run reports/<method>-<task>-seed<seed>",
    )
    runner: Runner | None = _option(
        "ray, or serial: one trial after another in this process, no Ray.", shown="ray; of one run serial"
    )
    address: str | None = _option("Of a running Ray cluster: auto or host:port.")
    insecure: bool = _option("Also a cluster that asks for no token: whoever reaches it can run code.", default=False)
    cpu: float | None = _option("CPUs of each trial under Ray.", shown="the study's resources")
    gpu: float | str | None = _option(
        "GPUs of each trial under Ray, may be a fraction; auto: one where there are GPUs.",
        shown="the study's resources, else auto",
        parse=parse_gpu,
        metavar="auto|FLOAT",
    )
    memory: float | None = _option("GB of memory that each trial asks for under Ray.", shown="the study's resources")
    accelerator: str | None = _option("Type of GPU by Ray's name, such as H100.", shown="the study's resources")
    custom: tuple[str, ...] = _option(
        "What else a trial takes of a cluster's own resources.", default=(), metavar="NAME=AMOUNT"
    )
    fuse: int | None = _option(
        "So many trials share one process and what one takes, their passes through networks batched.",
        shown="the study's resources, else 1",
        min=1,
    )
    wait: float | None = _option(
        "How long to wait for a node that a trial fits on to join the cluster: 90s, 30min, 2h; 0: not at all.",
        shown=f"{WAIT / 3600:g} h",
        parse=seconds,
        metavar="DURATION",
    )
    concurrency: int | None = _option("Trials at a time, at most.", shown="as many as fit", min=1)
    retries: int | None = _option(
        "How often in a row a trial goes on from its checkpoint after an accident (a dead worker, a full disk, no "
        "memory) before it gained an epoch.",
        shown=str(RETRIES),
        min=0,
    )
    watchdog: float | None = _option(
        "A trial without an epoch for so many times what the longest took, and 10 min, is ended and goes on from its "
        "checkpoint; 0: never.",
        shown=f"{FACTOR:g}",
        min=0,
    )
    checkpoint: str | None = _option(
        "How often a trial is saved: after so many epochs (5) or minutes (10 min).", shown="the study's, or each epoch"
    )
    isolate: bool = _option("A new process for each trial (seconds each).", default=False)
    fresh: bool = _option("Move what is in the folder aside and begin anew.", default=False)
    go_on: bool = _option(
        "Go on with the study where the folder holds it already, as `resume` does: for a job that is tried again.",
        default=False,
        name="continue",
    )
    parquet: bool = _option("Write trials and steps as Parquet too.", default=False)
    track: tuple[str, ...] = _option(
        "A tracker that shows it as well, and where that is: see `ls trackers`.",
        shown="the study's",
        default=(),
        metavar="NAME[:PLACE]",
    )
    reuse: tuple[Path, ...] = _option(
        "Folder of an earlier study whose finished trials may be taken over. A sweep learns from those of its method "
        "and length, and takes the best of any other as a prior.",
        default=(),
    )
    weights: Path | None = _option(
        "The teacher: a checkpoint (FILE#NAME for one network of several); a card (.json) beside it is read."
    )
    data: str | None = _option(
        "Folder or .npz file of the task's real images, by path or URI (s3://, gs://, az://), read for evaluation only."
    )
    plugin: tuple[str, ...] = _option(
        "Code of your own: a file, a folder or a module that registers losses, nets, tasks ...; or a task's YAML file.",
        default=(),
        metavar="FILE|MODULE",
    )
    device: str | None = _option("auto, cpu, cuda, cuda:1, ...", shown="auto")
    precision: Precision | None = _option(
        "float32, or under autocast: mixed takes bfloat16, or float16 on a GPU without it. The weights stay float32.",
        shown="float32",
    )
    threads: int | None = _option(
        "CPU threads of a trial; 0 leaves torch's choice.", shown="one a CPU; of one run torch's choice", min=0
    )
    cache: Cache | None = _option(
        "Where decoded images lie: memmap (on the disk, decoded once) or memory (nothing is written).", shown="memmap"
    )

    def __post_init__(self) -> None:
        for name, value in self.said.items():
            if isinstance(value, (int, float)):
                try:
                    limits.check(name, value)
                except limits.TooLarge as error:
                    raise ConfigError.at(f"--{name}", str(error)) from None
        try:
            Every.parse(self.checkpoint or 1)
        except ValueError as error:
            raise ConfigError.at("--checkpoint", str(error)) from None
        for name, place in {"--out": self.out, "--data": self.data}.items():
            try:
                url_of(str(place or ""))
            except ConfigError as error:
                raise ConfigError(problem.under(name) for problem in error.problems) from None
        _amounts(self.custom)
        if self.track:
            _check_trackers(self.track)
        if self.runner == "serial":
            for name in sorted(_RAY & self.said.keys()):
                raise ConfigError.at(f"--{name}", "is for --runner ray")

    @property
    def said(self) -> dict[str, Any]:
        """What was said, by field."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return {each.name: values[each.name] for each in fields(self) if values[each.name] != each.default}

    def over(self, earlier: Options) -> Options:
        """These, and where nothing was said those; what only Ray takes is no longer said where the runner is serial."""
        gone = {name: getattr(NOTHING_SAID, name) for name in _RAY} if self.runner == "serial" else {}
        return replace(earlier, **{**gone, **self.said})

    def runtime(self, own: Mapping[str, Any]) -> dict[str, Any]:
        """How a trial computes: the study's `runtime`, and what was said over it."""
        said = {name: getattr(self, name) for name in ("device", "precision", "threads", "cache")}
        return {**own, **{name: value for name, value in said.items() if value is not None}}

    def resources(self, own: Resources) -> Resources:
        """What a trial takes: the study's `resources`, and what was said over them; ConfigError."""
        names = ("cpu", "gpu", "memory", "accelerator", "fuse")
        said = {name: value for name in names if (value := getattr(self, name)) is not None}
        try:
            return replace(own, **said, custom={**own.custom, **_amounts(self.custom)})
        except ValueError as error:
            raise ConfigError.at("resources", str(error)) from None

    def absolute(self) -> Options:
        """The same with absolute paths: workers, and whoever resumes, may stand elsewhere."""
        from dfkd_ray.study import trackers

        paths: dict[str, Any] = {name: p.resolve() for name, p in self.said.items() if isinstance(p, Path)}
        paths |= {"track": tuple(map(trackers.absolute, self.track)), "plugin": tuple(map(anchored, self.plugin))}
        if self.data is not None:
            paths["data"] = url_of(self.data) or str(folder_of(self.data).resolve())
        return replace(self, **paths, reuse=tuple(path.resolve() for path in self.reuse))

    def plain(self) -> dict[str, Any]:
        """As a ledger keeps it, without secrets: what holds again at a resume."""
        from dfkd_ray.study import trackers

        said = {name: value for name, value in self.absolute().said.items() if name not in _ONCE}
        plain = {name: redacted_facts(_plain(value)) for name, value in said.items() if name != "track"}
        return plain | ({"track": list(map(trackers.kept, said["track"]))} if "track" in said else {})

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Options:
        """What `plain` wrote; fields that this version does not know are left out."""
        known = {each.name for each in fields(cls)}
        values = {name: value for name, value in plain.items() if name in known}
        values |= {"weights": Path(values["weights"])} if "weights" in values else {}
        values |= {name: tuple(values.get(name, ())) for name in ("custom", "track", "plugin")}
        values |= {"reuse": tuple(map(Path, values.get("reuse", ())))}
        return cls(**values)


def _check_trackers(named: Sequence[str]) -> None:
    """ConfigError for a tracker that nobody knows; the room `study` is loaded where there is one, not for --help."""
    from dfkd_ray.study import trackers

    for each in named:
        try:
            trackers.parse(each)
        except ValueError as error:
            raise ConfigError.at("--track", str(error)) from None


def _amounts(said: tuple[str, ...]) -> dict[str, float]:
    """`("tpu=2",)` as amounts by name; ConfigError for what is no such pair."""
    amounts: dict[str, float] = {}
    for each in said:
        name, _, amount = each.partition("=")
        try:
            if not name:
                raise ValueError(name)
            amounts[name] = limits.real(amount)
        except ValueError:
            raise ConfigError.at("--custom", f"takes name=amount, such as licence=1, got {each!r}") from None
    return amounts


# what only Ray takes
_RAY = {*("address", "insecure", "cpu", "gpu", "memory", "accelerator", "custom", "wait", "concurrency", "isolate")}
NOTHING_SAID = Options()
_ONCE = ("out", "fresh", "go_on")  # they hold for one command


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return str(value) if isinstance(value, Path) else value
