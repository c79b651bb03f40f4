"""A generator whose optimiser remembers nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from dfkd_ray.parts.sources.lifecycles import Keep, LiveKeep, LiveNet, lifecycles

Each = Literal["step", "round"]


@lifecycles.register("forget")
@dataclass(frozen=True)
class Forget(Keep):
    """One network for the whole run, with a new optimiser for every step (code of CPSC-DFKD, Shao et al., 2023).

    The first step of a new Adam is its rate times the sign of the gradient, in every weight.

    each: "step", or "round": a new optimiser at the beginning of each round (code of SpaceshipNet, Yu et al., 2023).
    """

    each: Each = "step"

    def __post_init__(self) -> None:
        if self.each not in get_args(Each):
            raise ValueError(f"each must be one of {', '.join(get_args(Each))}, got {self.each!r}")

    def open(self, live: LiveNet) -> LiveForget:
        return LiveForget(self)


class LiveForget(LiveKeep):
    """Empties what the optimiser has gathered before it is used."""

    def __init__(self, spec: Forget) -> None:
        self.spec = spec

    def begin(self, live: LiveNet, rng: torch.Generator, factor: float) -> None:
        live.optimizer.state.clear()

    def stepped(self, live: LiveNet) -> None:
        if self.spec.each == "step":
            live.optimizer.state.clear()
