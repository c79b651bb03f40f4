"""Samplers and stoppers as a study file names them: inert, every default in its field.

`tune/search.py` builds the samplers with Optuna, `tune/stoppers.py` has one class for each stopper.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

from dfkd_ray.util.registry import Registry
from dfkd_ray.util.yamls import component

Stopped = Literal["modelled", "ranked", "idle", "refused"]


class SamplerSpec(Protocol):
    """What every sampler's spec has.

    stopped: what it makes of trials that a stopper stopped: it models them as such; it is shown them as the last in
    rank, see `tune/sight.py`; it goes by no result at all; or it cannot be told, and takes no stopper.
    """

    multi_objective: ClassVar[bool]
    stopped: ClassVar[Stopped]

    @property
    def seed(self) -> int: ...


class StopperSpec(Protocol):
    """What every stopper's spec has: it never stops a trial before epoch `grace`."""

    @property
    def grace(self) -> int: ...


samplers: Registry[type[SamplerSpec]] = Registry("sampler")
stoppers: Registry[type[StopperSpec]] = Registry("stopper")


def _at_least(least: int, **values: int | None) -> None:
    for name, value in values.items():
        if value is not None and value < least:
            raise ValueError(f"{name} must be >= {least}, got {value}")


@samplers.register("tpe")
@dataclass(frozen=True)
class Tpe:
    """Tree-structured Parzen estimator (Bergstra et al., 2011; Optuna's multivariate form, Falkner et al., 2018).

    `multivariate: null` means jointly for one objective, one by one for several, as Optuna has it. Of more than `seen`
    trials that have ended it models the best 100 and an even sample of the others, so that a proposal takes a fraction
    of a second however many there are.
    """

    seed: int = 0
    startup: int | None = None  # trials drawn at random before it models anything; null: half, see study/startup.py
    candidates: int = 24
    multivariate: bool | None = None
    seen: int = 3000  # trials
    multi_objective: ClassVar[bool] = True
    stopped: ClassVar[Stopped] = "modelled"

    def __post_init__(self) -> None:
        _at_least(1, startup=self.startup, candidates=self.candidates)
        _at_least(200, seen=self.seen)


@samplers.register("random")
@dataclass(frozen=True)
class Random:
    """Independent draws (Bergstra and Bengio, 2012)."""

    seed: int = 0
    multi_objective: ClassVar[bool] = True
    stopped: ClassVar[Stopped] = "idle"


@samplers.register("grid")
@dataclass(frozen=True)
class Grid:
    """Every point once, conditional domains only where they count; in shuffled order unless `shuffle: false`."""

    seed: int = 0
    shuffle: bool = True
    multi_objective: ClassVar[bool] = True
    stopped: ClassVar[Stopped] = "idle"


@samplers.register("qmc")
@dataclass(frozen=True)
class Qmc:
    """A low-discrepancy sequence; conditional domains and choices are drawn independently."""

    seed: int = 0
    sequence: Literal["sobol", "halton"] = "sobol"
    scramble: bool = True
    multi_objective: ClassVar[bool] = True
    stopped: ClassVar[Stopped] = "idle"


@samplers.register("cmaes")
@dataclass(frozen=True)
class Cmaes:
    """Covariance matrix adaptation (Hansen and Ostermeier, 2001); choices are drawn independently."""

    seed: int = 0
    population: int | None = None  # null: 4 + floor(3 ln dimensions)
    multi_objective: ClassVar[bool] = False
    stopped: ClassVar[Stopped] = "ranked"

    def __post_init__(self) -> None:
        _at_least(3, population=self.population)


@samplers.register("gp")
@dataclass(frozen=True)
class Gp:
    """Gaussian process with log expected improvement, of the hypervolume for several objectives.

    Optuna's own, written in torch, which it loads when it models."""

    seed: int = 0
    startup: int | None = None  # as of tpe
    multi_objective: ClassVar[bool] = True
    stopped: ClassVar[Stopped] = "refused"

    def __post_init__(self) -> None:
        _at_least(1, startup=self.startup)


@samplers.register("nsga2")
@dataclass(frozen=True)
class Nsga2:
    """Non-dominated sorting genetic algorithm II (Deb et al., 2002)."""

    seed: int = 0
    population: int | None = None  # null: a fifth of the trials, see study/startup.py
    multi_objective: ClassVar[bool] = True
    stopped: ClassVar[Stopped] = "ranked"

    def __post_init__(self) -> None:
        _at_least(2, population=self.population)


@samplers.register("optunahub")
@dataclass(frozen=True)
class Optunahub:
    """A sampler from OptunaHub, `{optunahub: samplers/auto_sampler}`: needs the extra `optunahub`, and runs its code.

    The package is loaded at `ref` of the public registry, or from the folder `registry`, which has packages as that
    one has. `sampler` names its class where it has several, `options` are its keywords. Its code is part of the
    experiment, by digest: a study is gone on with by the same code alone. It is made anew for each proposal, as Optuna
    has it where several processes share a study, so what it keeps outside of the study is forgotten.
    """

    package: str
    seed: int = 0
    registry: str | None = None
    ref: str = "main"
    sampler: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    multi_objective: ClassVar[bool] = True
    stopped: ClassVar[Stopped] = "refused"

    def __post_init__(self) -> None:
        parts = self.package.split("/")
        if len(parts) < 2 or not all(part.replace("_", "").isalnum() for part in parts):
            raise ValueError(f"package is a path such as samplers/auto_sampler, got {self.package!r}")


def read_sampler(raw: Any) -> SamplerSpec:
    """As a study file has it: `tpe`, `{name: tpe, seed: 1}`, or `{optunahub: PACKAGE}`; ConfigError."""
    if isinstance(raw, Mapping) and "optunahub" in raw and "name" not in raw:
        rest = {key: value for key, value in raw.items() if key != "optunahub"}
        raw = {"name": "optunahub", "package": raw["optunahub"], **rest}
    read: SamplerSpec = component(samplers, raw)
    return read


@stoppers.register("none")
@dataclass(frozen=True)
class NoStopper:
    """Every trial runs to its last epoch."""

    grace: int = 0


@stoppers.register("median")
@dataclass(frozen=True)
class Median:
    """Stop a trial whose best so far is worse than the median of the others' running means (Golovin et al., 2017).

    Not before epoch `grace`, and not before `trials` others have reached the same epoch.
    """

    grace: int = 1
    trials: int = 4

    def __post_init__(self) -> None:
        _at_least(1, grace=self.grace, trials=self.trials)


@stoppers.register("asha")
@dataclass(frozen=True)
class Asha:
    """Asynchronous successive halving, the variant that stops and never pauses (Li et al., 2020; Syne Tune).

    At epochs grace, grace * reduction, grace * reduction^2, ... a trial goes on only if it is in the best
    1 / reduction of what has reached that rung so far.
    """

    grace: int = 3  # by simulation, of 9 epochs: benchmarks/RESULTS.md, "Simulated searches"
    reduction: int = 3

    def __post_init__(self) -> None:
        _at_least(1, grace=self.grace)
        _at_least(2, reduction=self.reduction)
