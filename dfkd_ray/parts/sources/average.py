"""A slower copy of a generator, whose images remind the student of what the generator used to draw."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn


@dataclass(frozen=True)
class Ema:
    """An exponential moving average of a generator's weights (MAD: momentum adversarial distillation, Do et al.,
    NeurIPS 2022, arXiv:2209.10359, read second-hand alone). Its batch statistics are its own.

    decay: what stays of the average in a round; 0.95 is said to be best there. That it moves once a round, after the
        generator's steps, is a reconstruction: so it is an average of the generators that the student has met.
    share: of the average's images in what the source gives. MAD weighs a loss on either; with equal weights that is
        0.5 (reconstruction: the weights could not be read).
    """

    decay: float = 0.95
    share: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), got {self.decay}")
        if not 0 < self.share < 1:
            raise ValueError(f"share must be between 0 and 1, got {self.share}")

    def open(self, net: nn.Module) -> LiveEma:
        return LiveEma(self, net)


class LiveEma:
    """The average, and what it is asked for."""

    def __init__(self, spec: Ema, net: nn.Module) -> None:
        self.spec = spec
        self.net = copy.deepcopy(net).requires_grad_(False)

    @torch.no_grad()
    def follow(self, net: nn.Module) -> None:
        """Move towards `net`: average <- decay * average + (1 - decay) * net."""
        torch._foreach_lerp_([*self.net.parameters()], [*net.parameters()], 1 - self.spec.decay)

    def part(self, batch: int) -> int:
        """How many images of a batch are the average's: one at least, and not all."""
        return min(max(round(self.spec.share * batch), 1), batch - 1)

    def state_dict(self) -> dict[str, Any]:
        return self.net.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.net.load_state_dict(state)
