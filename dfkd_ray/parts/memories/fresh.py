"""No memory: new images for every step of the student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import nn

from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, LiveSource, memories
from dfkd_ray.util.choices import EVERY


@memories.register("fresh")
@dataclass(frozen=True)
class Fresh:
    """New images for every student step (Algorithm 1 of DFKD-FGVC: "z ~ N(0, 1); x = G(z)" in each step).

    reuse: take each batch for that many student steps of a round. More than 1 changes the published algorithm; it is
        the largest saving where the generator costs more than the student.
    """

    targets: ClassVar = EVERY

    reuse: int = 1

    def __post_init__(self) -> None:
        if self.reuse < 1:
            raise ValueError(f"reuse must be at least 1, got {self.reuse}")

    def open(self, setting: Setting, teacher: nn.Module, device: torch.device) -> LiveFresh:
        return LiveFresh(self)


class LiveFresh:
    """Keeps a batch for `reuse` draws; starts anew each round, so nothing outlives a round."""

    def __init__(self, spec: Fresh) -> None:
        self.spec = spec
        self.left = 0
        self.batch: Batch | None = None

    def refill(self, source: LiveSource, batch: int, rng: torch.Generator) -> None:
        self.left = 0

    def draw(self, source: LiveSource, batch: int, rng: torch.Generator) -> Batch:
        if self.batch is None or self.left == 0:
            self.batch, self.left = source.sample(batch, rng, training=True), self.spec.reuse
        self.left -= 1
        return self.batch

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.left = 0
