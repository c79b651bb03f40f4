"""A study: one question, the choices that may answer it, and what it may cost."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from typing import Any, Literal

from dfkd_ray import metrics
from dfkd_ray.study import ablation as ablations
from dfkd_ray.study import confirming, pairs, several_seeds, space, starting
from dfkd_ray.study import pick as picks
from dfkd_ray.study import published as tables
from dfkd_ray.study.ablation import Ablation
from dfkd_ray.study.confirming import Confirm
from dfkd_ray.study.constraints import Constraint
from dfkd_ray.study.specs import Grid, NoStopper, SamplerSpec, StopperSpec, Tpe
from dfkd_ray.util.choices import PAPER
from dfkd_ray.util.errors import ConfigError, Problem
from dfkd_ray.util.every import Every
from dfkd_ray.util.limits import NAME


@dataclass(frozen=True)
class Objective:
    """A metric to optimise; `at`: what the sampler is told, the value of the last epoch or of the best one.

    The best epoch is the one where the study's first objective is best. `mode: null` means what the metric's row says.
    """

    metric: str
    mode: Literal["max", "min"] | None = None
    at: Literal["last", "best"] = "last"

    def __post_init__(self) -> None:
        if metrics.find(self.metric).split == "test" or self.metric.startswith("test"):
            raise ValueError(f"{self.metric}: the test split is for the report alone, no study may select by it")
        object.__setattr__(self, "mode", self.mode or metrics.better(self.metric))

    @property
    def sign(self) -> float:
        """value * sign is better when higher."""
        return 1.0 if self.mode == "max" else -1.0


@dataclass(frozen=True)
class Budget:
    """What a study may cost; it ends at whichever comes first (running trials are finished)."""

    trials: int | None = None  # null: the whole grid, or as many as fit into `hours`
    hours: float | None = None  # after so many no trial is started
    give_up_after: int = 3  # so many first trials that all fail with the same message end the study; 0: never

    def __post_init__(self) -> None:
        if self.trials is not None and self.trials < 1:
            raise ValueError(f"trials must be >= 1, got {self.trials}")
        if self.hours is not None and not self.hours > 0:
            raise ValueError(f"hours must be > 0, got {self.hours:g}")
        if self.give_up_after < 0:
            raise ValueError(f"give_up_after must be >= 0, got {self.give_up_after}")


@dataclass(frozen=True)
class Resources:
    """What one trial takes of a machine; cpu and gpu may be fractions. It computes with max(1, floor(cpu)) threads, and
    on all of its GPUs, a process on each.

    gpu: `auto` is one where there are GPUs, and none where the device is the CPU. accelerator: a type of GPU by Ray's
    name, such as H100. custom: amounts of what a cluster calls its own, by name. fuse: so many trials share one process
    and what one takes, in step with each other, and their passes through networks are batched; 1: each has its own.
    """

    cpu: float = 1
    gpu: float | Literal["auto"] = "auto"
    memory: float | None = None  # GB of the machine's; null: not asked about
    accelerator: str | None = None
    custom: Mapping[str, float] = field(default_factory=dict)
    fuse: int = 1

    def __post_init__(self) -> None:
        if not self.cpu > 0:
            raise ValueError(f"cpu must be > 0, got {self.cpu:g}")
        if isinstance(self.gpu, str):
            if self.gpu != "auto":
                raise ValueError(f"gpu must be auto or a number, got {self.gpu!r}")
        elif self.gpu < 0 or (self.gpu > 1 and self.gpu != int(self.gpu)):
            raise ValueError(f"gpu must be 0, a fraction of one, or a whole number, got {self.gpu:g}")
        if self.accelerator is not None and not self.gpu:
            raise ValueError(f"accelerator {self.accelerator} is a type of GPU, and gpu is 0")
        if self.fuse < 1:
            raise ValueError(f"fuse must be >= 1, got {self.fuse}")
        if self.fuse > 1 and self.ranks > 1:
            raise ValueError(f"fuse {self.fuse} is for trials on one GPU, or a part of it, and gpu is {self.gpu:g}")
        for name, amount in {"memory": self.memory, **self.custom}.items():
            if amount is not None and not amount > 0:
                raise ValueError(f"{name} must be > 0, got {amount:g}")
        if own := {"CPU", "GPU", "memory", "object_store_memory"} & self.custom.keys():
            raise ValueError(f"custom is for what a cluster calls its own, and Ray has {', '.join(sorted(own))} itself")

    @property
    def threads(self) -> int:
        return max(1, int(self.cpu))

    @property
    def ranks(self) -> int:
        """Processes that share a trial: one a GPU."""
        return 1 if self.gpu == "auto" else max(1, int(self.gpu))

    def settled(self, gpus: bool, device: str | None = None) -> Resources:
        """The same with a number in place of `auto`, where there are GPUs or none."""
        if self.gpu != "auto":
            return self
        takes = (gpus or self.accelerator is not None) and device != "cpu"
        return replace(self, gpu=int(takes), accelerator=self.accelerator if takes else None)


@dataclass(frozen=True)
class Saving:
    """`every`: after how many epochs (5) or minutes (10 min) a running trial is saved; what it loses by an accident."""

    every: int | str = 1

    def __post_init__(self) -> None:
        Every.parse(self.every)


@dataclass(frozen=True)
class Study:
    """A study, complete: what `plain` writes and the ledger keeps."""

    study: str
    method: str
    task: str | Mapping[str, Any]  # by name, or the task itself as its file would have it
    objective: tuple[Objective, ...]
    search: space.Space = field(default_factory=dict)
    start: tuple[starting.Setting, ...] = ()  # settings that run first
    question: str = ""
    preset: str = PAPER  # of all its methods, before what is fixed; see methods/presets
    fixed: Mapping[str, Any] = field(default_factory=dict)
    constraints: tuple[Constraint, ...] = ()  # what a trial must keep to, to win
    best: picks.Pick = picks.FIRST  # which trial of the front is taken where one is asked for
    sampler: SamplerSpec = field(default_factory=Tpe)
    stopper: StopperSpec = field(default_factory=NoStopper)
    budget: Budget = field(default_factory=Budget)
    confirm: Confirm | None = None  # what is run of a sweep's best when the search has ended
    seed: int = 0  # of a sweep's trials: the same for all, so that they differ by their changes alone
    seeds: tuple[int, ...] = ()  # of every setting of a sweep, where it has several
    racing: several_seeds.Racing | None = None  # which settings get all of them
    resources: Resources = field(default_factory=Resources)
    runtime: Mapping[str, Any] = field(default_factory=dict)
    checkpoint: Saving = field(default_factory=Saving)
    track: tuple[
        str, ...
    ] = ()  # trackers that show it as well: tensorboard, mlflow:http://tracking:5000, see `ls trackers`
    ablation: Ablation | None = None  # None: a sweep
    plugins: tuple[str, ...] = ()  # code of one's own that it needs: files or folders (absolute paths), modules
    published: str = ""  # the table that it re-runs, whose rows are its arms: dfkd_fgvc/table3, or ...#column of it

    @property
    def method_name(self) -> str:
        """How the method is called, also where it is a file."""
        return self.method.rpartition("/")[2].removesuffix(".yaml").removesuffix(".yml")

    @property
    def task_name(self) -> str:
        return self.task if isinstance(self.task, str) else str(self.task.get("name"))

    @property
    def one_run(self) -> bool:
        """Whether nothing is searched or compared: the method as it is, once."""
        return self.ablation is None and not self.search

    @property
    def trials(self) -> int | None:
        """How many trials there will be at most, where that is known: of a sweep those that its sampler proposes, each
        with its first seed; of an ablation, before seeds are added."""
        if self.ablation is not None:
            return self.ablation.trials
        return min((count for count in (self.budget.trials, self.settings) if count is not None), default=None)

    @property
    def in_all(self) -> int | None:
        """The same with those of later seeds, and those that confirm the winner."""
        return None if self.trials is None else self.trials * len(self.each_seed) + self.confirming

    @property
    def each_seed(self) -> tuple[int, ...]:
        """The seeds of every setting of a sweep, one or several."""
        return self.seeds or (self.seed,)

    @property
    def confirming(self) -> int:
        """How many trials confirm the winner, at most."""
        return 0 if self.confirm is None else self.confirm.trials(self.trials)

    @cached_property
    def settings(self) -> int | None:
        """How many there are to be tried, of a grid its points; None where nobody can count them."""
        every = space.enumerate_grid if isinstance(self.sampler, Grid) else space.points
        found = every(self.search)
        return None if found is None else len(found)

    def __post_init__(self) -> None:
        if self.seeds and self.racing is None:
            object.__setattr__(self, "racing", several_seeds.Racing())
        found = list(conflicts({f.name: getattr(self, f.name) for f in fields(self)}))
        if found:
            raise ConfigError(found)


def conflicts(parts: Mapping[str, Any]) -> Iterator[Problem]:
    """What is wrong between the parts of a study; parts that could not be read are simply absent."""
    search: space.Space | None = parts.get("search")
    objectives: tuple[Objective, ...] = parts.get("objective", ())
    sampler: SamplerSpec | None = parts.get("sampler")
    if "study" in parts and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name := str(parts["study"])):
        yield Problem("study", f"a name has letters, digits, - and _, got {name!r}")
    elif "study" in parts and len(name) > NAME:
        yield Problem("study", f"a name has at most {NAME} characters, got {len(name)}")
    yield from ablations.conflicts(parts)
    yield from confirming.conflicts(parts)
    yield from several_seeds.conflicts(parts)
    yield from tables.conflicts(parts)
    if search is not None:
        yield from space.mistakes(search)
        yield from starting.conflicts(search, parts)
        for path in parts.get("fixed", {}):
            if path in search:
                yield Problem(f"fixed.{path}", "is under `search` as well")
        if sampler is not None and parts.get("ablation") is None:
            yield from pairs.with_space(sampler, search)
    if len({objective.metric for objective in objectives}) < len(objectives):
        yield Problem("objective", "a metric stands twice")
    if objectives:
        yield from picks.conflicts(parts.get("best", picks.FIRST), objectives)
    yield from pairs.of_results(sampler, objectives, parts.get("stopper", NoStopper()))
    yield from pairs.of_costs(parts.get("resources"), (*objectives, *parts.get("constraints", ())))
    if parts.get("constraints") and parts.get("ablation") is not None:
        yield Problem("constraints", "are for what a sweep may choose; the arms of an ablation are all compared")
    budget: Budget | None = parts.get("budget")
    endless = "ablation" in parts and parts["ablation"] is None and not isinstance(sampler, Grid)
    if budget is not None and budget.trials is None and budget.hours is None and endless:
        yield Problem("budget", "say how many `trials`, or `hours`")
