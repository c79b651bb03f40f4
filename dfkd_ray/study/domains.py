"""Domains: what a study may choose for one path of a method.

A domain is written as `{kind: arguments, option: value}`: `{log: [0.1, 100]}`, `{choice: [1, 2], when: {a.b: [true]}}`.
`when` makes it conditional: it is drawn only where each parent that it names has one of the values given there.
`prior` is a value that somebody believes in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Protocol, cast

from dfkd_ray.study.priors import Prior
from dfkd_ray.util import limits
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.registry import Registry, did_you_mean
from dfkd_ray.util.yamls import Problems, typed

When = Mapping[str, tuple[Any, ...]]


class Domain(Protocol):
    """What every kind of domain has."""

    @property
    def continuous(self) -> bool: ...

    @property
    def when(self) -> When: ...

    @property
    def prior(self) -> Prior | None: ...

    @property
    def count(self) -> int | None:
        """How many values `grid` has: it is only built where they are few."""

    def grid(self) -> tuple[Any, ...] | None:
        """All values in order, or None where they cannot be counted."""

    def ends(self) -> tuple[Any, ...]:
        """Values to try a method with before anything starts: all choices, or both ends of a range."""

    def arguments(self) -> Any:
        """What stands beside the kind in a study file."""


domains: Registry[type[Domain]] = Registry("domain")


@domains.register("choice")
@dataclass(frozen=True)
class Choice:
    """One of several values of any kind, in no order."""

    values: tuple[Any, ...]
    when: When = field(default_factory=dict)
    prior: Prior | None = None
    continuous: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.values:
            raise ValueError("choice needs at least one value")
        limits.count("values", self.values)
        texts = [canonical(value) for value in self.values]
        twice = sorted({text for text in texts if texts.count(text) > 1})
        if twice:
            raise ValueError(f"choice has {', '.join(twice)} more than once")

    @property
    def count(self) -> int:
        return len(self.values)

    def grid(self) -> tuple[Any, ...]:
        return self.values

    ends = grid

    def arguments(self) -> Any:
        return list(self.values)


@domains.register("bool")
@dataclass(frozen=True)
class Bool:
    """On or off."""

    both: bool = True
    when: When = field(default_factory=dict)
    prior: Prior | None = None
    continuous: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.both:
            raise ValueError("bool takes `true` (both values); for one value put the path under `fixed`")

    count: ClassVar[int] = 2

    def grid(self) -> tuple[Any, ...]:
        return (False, True)

    ends = grid

    def arguments(self) -> Any:
        return self.both


@domains.register("int")
@dataclass(frozen=True)
class Int:
    """A whole number from low to high, both included, in steps from low; `log: true`: its logarithm is uniform."""

    low: int
    high: int
    step: int = 1
    log: bool = False
    when: When = field(default_factory=dict)
    prior: Prior | None = None
    continuous: ClassVar[bool] = False

    def __post_init__(self) -> None:
        _ordered(self.low, self.high)
        if self.step < 1:
            raise ValueError(f"step must be >= 1, got {self.step}")
        if (self.high - self.low) % self.step:
            raise ValueError(f"{self.high} is not reached from {self.low} in steps of {self.step}")
        if self.log and (self.low < 1 or self.step != 1):
            raise ValueError("an int with `log: true` starts at 1 or above, and takes no `step`")

    @property
    def count(self) -> int:
        return (self.high - self.low) // self.step + 1

    def grid(self) -> tuple[Any, ...]:
        return tuple(range(self.low, self.high + 1, self.step))

    def ends(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def arguments(self) -> Any:
        return [self.low, self.high]


@domains.register("uniform")
@dataclass(frozen=True)
class Uniform:
    """A number from low to high, each equally likely; `points`: how many a grid takes, ends included.

    `step`: only low, low + step, and so on up to high, for every sampler.
    """

    low: float
    high: float
    points: int | None = None
    step: float | None = None
    when: When = field(default_factory=dict)
    prior: Prior | None = None

    def __post_init__(self) -> None:
        _ordered(self.low, self.high)
        _countable(self.points)
        if self.step is None:
            return
        if not self.step > 0 or self.points is not None:
            raise ValueError(f"step must be > 0, and stands alone without `points`, got {self.step:g}")
        if not math.isclose(self.low + self.step * self._steps, self.high, rel_tol=1e-9, abs_tol=1e-9 * self.step):
            raise ValueError(f"{self.high:g} is not reached from {self.low:g} in steps of {self.step:g}")

    @property
    def _steps(self) -> int:
        return 0 if self.step is None else round((self.high - self.low) / self.step)

    def nearest(self, value: float) -> float:
        """The step that is nearest, to twelve digits: 0.3 and not 0.30000000000000004."""
        if self.step is None:
            return value
        at = round((value - self.low) / self.step)
        return self.high if at >= self._steps else float(f"{self.low + self.step * at:.12g}")

    @property
    def continuous(self) -> bool:
        return self.step is None

    @property
    def count(self) -> int | None:
        return self.points if self.step is None else self._steps + 1

    def grid(self) -> tuple[Any, ...] | None:
        if self.step is not None:
            return tuple(map(self.nearest, (self.low + self.step * i for i in range(self._steps + 1))))
        if self.points is None:
            return None
        inner = ((self.high - self.low) * i / (self.points - 1) + self.low for i in range(1, self.points - 1))
        return (self.low, *inner, self.high)

    def ends(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def arguments(self) -> Any:
        return [self.low, self.high]


@domains.register("log")
@dataclass(frozen=True)
class Log:
    """A number from low to high whose logarithm is uniform; `points`: how many a grid takes, ends included."""

    low: float
    high: float
    points: int | None = None
    when: When = field(default_factory=dict)
    prior: Prior | None = None
    continuous: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _ordered(self.low, self.high)
        _countable(self.points)
        if self.low <= 0:
            raise ValueError(f"a log domain starts above 0, got {self.low:g}")
        if self.low < 1 / limits.REAL:
            raise ValueError(f"a log domain starts at {1 / limits.REAL:g} or above, got {self.low:g}")

    @property
    def count(self) -> int | None:
        return self.points

    def grid(self) -> tuple[Any, ...] | None:
        if self.points is None:
            return None
        ratio = self.high / self.low
        return (self.low, *(self.low * ratio ** (i / (self.points - 1)) for i in range(1, self.points - 1)), self.high)

    def ends(self) -> tuple[Any, ...]:
        return (self.low, self.high)

    def arguments(self) -> Any:
        return [self.low, self.high]


def parse(raw: Any) -> Domain:
    """One domain as it stands in a study file; ConfigError names what is wrong inside it."""
    if not isinstance(raw, Mapping) or not raw:
        every = ", ".join(domains)
        raise ConfigError.at("", f"expected a domain such as {{log: [0.1, 100]}} (kinds: {every}), got {raw!r}")
    kinds = [key for key in raw if key in domains and not ("int" in raw and isinstance(raw[key], bool))]
    if len(kinds) > 1:
        raise ConfigError.at("", f"one kind of domain, got {' and '.join(kinds)}")
    if not kinds:
        odd = next((key for key in raw if key not in _OPTIONS), next(iter(raw)))
        raise ConfigError.at("", f"unknown domain {odd!r}{did_you_mean(odd, domains)}")
    kind = kinds[0]
    problems = Problems()
    known = _OPTIONS & {f.name for f in fields(domains[kind])}  # type: ignore[arg-type]
    for key in raw.keys() - known - {kind}:
        problems.add(key, f"no such option of a {kind} domain{did_you_mean(key, known)}")
    options = {key: raw[key] for key in known - {"when", "prior"} if key in raw}
    when = problems.attempt("when", _read_when, raw["when"]) if "when" in raw else {}
    prior = problems.attempt("prior", _read_prior, raw["prior"]) if "prior" in raw else None
    made = problems.attempt("", _READERS.get(kind, _read_range), kind, raw[kind], options)
    problems.stop_if_any()
    return replace(cast(Any, made), when=when, prior=prior)  # type: ignore[no-any-return]


def plain(domain: Domain) -> dict[str, Any]:
    """The domain as it would stand in a study file; options at their defaults are left out."""
    kind: str = domain.registered_as  # type: ignore[attr-defined]
    out: dict[str, Any] = {kind: domain.arguments()}
    for f in fields(domain):  # type: ignore[arg-type]
        value = getattr(domain, f.name)
        if f.name in _OPTIONS - {"when"} and value != f.default:
            out[f.name] = asdict(value) if isinstance(value, Prior) else value
    if domain.when:
        out["when"] = {path: list(values) for path, values in domain.when.items()}
    return out


def canonical(value: Any) -> str:
    """One text for each value: tells 1 from true, and is the same for equal mappings and lists."""
    return json.dumps(value, sort_keys=True)


def _read_choice(kind: str, values: Any, options: Mapping[str, Any]) -> Domain:
    if not isinstance(values, list):
        raise ConfigError.at(kind, f"expected a list of values, got {values!r}")
    return Choice(tuple(values), **options)  # not `typed`: values may be of any kind and stay as they are


def _read_bool(kind: str, both: Any, options: Mapping[str, Any]) -> Domain:
    return typed(Bool, {**options, "both": both})


def _read_range(kind: str, ends: Any, options: Mapping[str, Any]) -> Domain:
    numbers: tuple[type, ...] = (int,) if kind == "int" else (int, float)
    if not isinstance(ends, list) or len(ends) != 2:
        raise ConfigError.at(kind, f"expected [low, high], got {ends!r}")
    if not all(_finite(end, numbers) for end in ends):
        raise ConfigError.at(kind, f"expected two {'whole ' if kind == 'int' else ''}numbers, got {ends!r}")
    return typed(domains[kind], {**options, "low": ends[0], "high": ends[1]})


_READERS: Mapping[str, Callable[[str, Any, Mapping[str, Any]], Domain]] = {"choice": _read_choice, "bool": _read_bool}
_OPTIONS = {"step", "points", "log", "when", "prior"}


def _read_when(raw: Any) -> When:
    if not isinstance(raw, Mapping) or not raw:
        raise ConfigError.at("", f"expected {{parent path: [values]}}, got {raw!r}")
    return {parent: tuple(values) if isinstance(values, list) else (values,) for parent, values in raw.items()}


def _read_prior(raw: Any) -> Prior:
    """`{value: 3, confidence: high}`, or the value alone."""
    return typed(Prior, raw) if isinstance(raw, Mapping) and "value" in raw else Prior(raw)


def _finite(number: Any, kinds: tuple[type, ...]) -> bool:
    return isinstance(number, kinds) and not isinstance(number, bool) and math.isfinite(cast(float, number))


def _ordered(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"low must be below high, got [{low:g}, {high:g}]")


def _countable(points: int | None) -> None:
    if points is not None and points < 2:
        raise ValueError(f"points must be >= 2, got {points}")
