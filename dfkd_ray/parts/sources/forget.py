"""A generator whose optimiser remembers nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import torch

from dfkd_ray.parts.sources.lifecycles import Keep, Owner, Stateless, lifecycles

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

    def open(self, live: Owner) -> Stateless:
        return LiveForget(self.each)


class LiveForget(Stateless):
    """Empties what the optimiser has gathered before it is used."""

    def __init__(self, each: Each) -> None:
        self.each = each

    def begin(self, live: Owner, rng: torch.Generator, factor: float) -> None:
        live.optimizer.state.clear()

    def stepped(self, live: Owner) -> None:
        if self.each == "step":
            live.optimizer.state.clear()
