"""A weighted, named sum of loss terms: the whole algebra of the project.

A term is a frozen dataclass: its fields are its hyper-parameters, calling it is its formula. One that remembers
something or learns something (a bank, a projection head) has `open(setting)`, which returns an nn.Module with the
same call: its parameters join the optimiser of the phase, its state joins the checkpoint. A live term may have
`gauges`, detached scalars of its last call that are logged beside its value (whether an attention has collapsed, say),
and `settle`, called when its phase of a round is over (what a bank keeps of the round, say). A term that takes the
gradient of what signals give, of stages say, has `apart = True`: see `LiveTotalLoss.apart`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from dfkd_ray.parts.plain_functions import as_term
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.util.errors import ConfigError, TrialFailed
from dfkd_ray.util.registry import Registry
from dfkd_ray.util.seeding import stream


class Term(Protocol):
    """Reads signals, returns a scalar to be minimised."""

    def __call__(self, signals: Signals) -> Tensor: ...


@runtime_checkable
class Opens(Protocol):
    """A term with state: `open` makes the live object, fresh at the start of a run."""

    def open(self, setting: Setting) -> nn.Module: ...


class Terms(Registry[type[Any]]):
    """The registry of terms; a plain function of tensors is filed as the term that calls it, see `plain_functions`."""

    def register(self, name: str) -> Callable[[Any], Any]:
        """Decorator, as of every registry; what is decorated stays as it is."""
        keep = super().register(name)

        def kept(item: Any) -> Any:
            keep(item if isinstance(item, type) else as_term(item, name, named))
            return item

        return kept


terms = Terms("loss term")


def named(name: str, values: Mapping[str, Any]) -> Any:
    """The term of this name with these fields."""
    return terms[name](**values)


@dataclass(frozen=True)
class Weighted:
    """A term and its weight in the sum; weights stand here and nowhere else.

    start: epochs of the run before it counts; until then it costs nothing.
    ramp: epochs over which its weight grows from then on, by the same in each, the last of them at the whole weight
        (CuDFKD, arXiv 2208.13648); 0: it counts whole at once.
    """

    weight: float
    term: Any
    start: int = 0
    ramp: int = 0

    def __post_init__(self) -> None:
        for name in ("start", "ramp"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0 epochs, got {getattr(self, name)}")

    def at(self, done: int) -> float:
        """The weight in the epoch after so many; 0 before its start."""
        since = done - self.start + 1
        if since < 1:
            return 0.0
        return self.weight * min(1.0, since / self.ramp) if self.ramp else self.weight


@dataclass(frozen=True)
class TotalLoss:
    """Terms by the names under which they are logged. A weight of 0 removes a term like `null` does: no cost."""

    parts: Mapping[str, Weighted] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.parts:
            if name == "total" or not name.isidentifier():
                raise ValueError(f"{name!r} cannot name a term: a word of letters, digits and _, and not `total`")

    def open(self, setting: Setting, seed: int = 0) -> LiveTotalLoss:
        """Give every term that has state a fresh one, from a random stream of its own.

        ConfigError names the term that does not fit the setting.
        """
        live: dict[str, tuple[Weighted, Callable[[Signals], Tensor]]] = {}
        for name, part in self.parts.items():
            if part.weight == 0:
                continue
            try:
                with stream(seed, "term", name):
                    opened = part.term.open(setting) if isinstance(part.term, Opens) else part.term
            except ConfigError as error:
                raise ConfigError([problem.under(name) for problem in error.problems]) from None
            live[name] = (part, opened)
        return LiveTotalLoss(live)


class LiveTotalLoss(nn.Module):
    """A TotalLoss whose terms are open: call it with signals to get the sum and each term's own (unweighted) value."""

    def __init__(self, parts: Mapping[str, tuple[Weighted, Callable[[Signals], Tensor]]]) -> None:
        super().__init__()
        self.specs = {name: spec for name, (spec, _) in parts.items()}
        self.calls = {name: call for name, (_, call) in parts.items()}
        self.done = 0  # epochs
        self.state = nn.ModuleDict(
            {f"{n}_": c for n, c in self.calls.items() if isinstance(c, nn.Module)}
        )  # `keys` may name a term

    @property
    def apart(self) -> bool:
        """Whether passes must be those of this run alone: in one that several runs share, what each gets is a part
        of the outputs, on which nothing further in depends."""
        return any(getattr(call, "apart", False) for call in self.calls.values())

    def begin(self, epoch: int) -> None:
        """An epoch begins, counted from 1: terms whose `start` has passed count, by their `ramp`."""
        self.done = epoch - 1

    def settle(self) -> None:
        """A round is over: whatever keeps something of it does so now."""
        for name, call in self.calls.items():
            if self.specs[name].start <= self.done and hasattr(call, "settle"):
                call.settle()

    def forward(self, signals: Signals, only: str | None = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The weighted sum (a scalar) and the terms' values, detached, still on the device; `only`: one term's."""
        total, values = signals.images.new_zeros(()), {}
        for name, call in self.calls.items():
            if self.specs[name].start > self.done or only not in (None, name):
                continue
            try:
                value = call(signals)
            except ConfigError as error:
                raise ConfigError(problem.under(name) for problem in error.problems) from None
            total = total + self.specs[name].at(self.done) * _scalar(name, value)
            values[name] = value.detach()
            for gauge, reading in getattr(call, "gauges", {}).items():
                values[f"{name}/{gauge}"] = reading
        values["total"] = total.detach()
        return total, values


def _scalar(name: str, value: Any) -> Tensor:
    """The value of a term; TrialFailed for what is none, which a term of one's own may return."""
    if isinstance(value, Tensor) and value.ndim == 0:
        return value
    got = f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
    raise TrialFailed(f"the loss {name} is {got}, and has to be one number, a tensor: its .mean(), say")
