"""How long the weights of a generator live: the whole run, or until they are drawn anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import nn

from dfkd_ray.parts.slots import Live
from dfkd_ray.util.registry import Registry

lifecycles: Registry[type[Any]] = Registry("lifecycle")


class LiveNet(Protocol):
    """What a lifecycle sees of a live generator, `trained.LiveTrained`.

    net, optimizer: what a round trains; a lifecycle may exchange both.
    """

    net: nn.Module
    optimizer: torch.optim.Optimizer

    def renew(self, rng: torch.Generator) -> None:
        """New weights and a new optimiser."""
        ...

    def new_optimizer(self) -> torch.optim.Optimizer:
        """A new optimiser of `net` as it is now, and of what the source loss learns."""
        ...


class LiveLifecycle(Live, Protocol):
    """A lifecycle in use."""

    def begin(self, live: LiveNet, rng: torch.Generator, factor: float) -> None:
        """A round of synthesis begins; `factor` is that of the source's learning-rate schedule."""
        ...

    def stepped(self, live: LiveNet) -> None:
        """Gradients of a step are there, and are about to be applied."""
        ...

    def end(self, live: LiveNet) -> None:
        """The round is over."""
        ...


@lifecycles.register("keep")
@dataclass(frozen=True)
class Keep:
    """One network for the whole run (DAFL, ZSKT, DFAD, DFQ, DFKD-FGVC)."""

    def open(self, live: LiveNet) -> LiveKeep:
        return LiveKeep()


class LiveKeep:
    """Does nothing; the live objects of other lifecycles override what they need."""

    def begin(self, live: LiveNet, rng: torch.Generator, factor: float) -> None:
        pass

    def stepped(self, live: LiveNet) -> None:
        pass

    def end(self, live: LiveNet) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


@lifecycles.register("renew")
@dataclass(frozen=True)
class Renew:
    """New weights, and a new optimiser, at the beginning of every so many rounds (CMI, arXiv:2105.08584: in each).

    What the source loss learns keeps its weights; its part of the optimiser is new too (the code of CMI keeps it).

    every: rounds from one birth to the next.
    """

    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ValueError(f"every must be at least 1 round, got {self.every}")

    def open(self, live: LiveNet) -> LiveRenew:
        return LiveRenew(self)


class LiveRenew(LiveKeep):
    """Counts rounds; the first weights are those that the generator was opened with."""

    def __init__(self, spec: Renew) -> None:
        self.spec, self.rounds = spec, 0

    def begin(self, live: LiveNet, rng: torch.Generator, factor: float) -> None:
        if self.rounds and self.rounds % self.spec.every == 0:
            live.renew(rng)
        self.rounds += 1

    def state_dict(self) -> dict[str, Any]:
        return {"rounds": self.rounds}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.rounds = state["rounds"]


def seeded(rng: torch.Generator) -> int:
    """A seed from a generator of random numbers, for what only reads torch's own."""
    return int(torch.randint(2**31, (), generator=rng, device=rng.device))


def fresh(build: Any, rng: torch.Generator) -> nn.Module:
    """What `build()` makes with weights that `rng` alone decides."""
    with torch.random.fork_rng(devices=[rng.device] if rng.device.type == "cuda" else []):
        torch.manual_seed(seeded(rng))
        made: nn.Module = build()
    return made
