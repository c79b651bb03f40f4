"""No memory: new images for every step of the student."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from dfkd_ray.parts.clean import only_clean
from dfkd_ray.parts.losses.checks import share
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, LiveSource, memories
from dfkd_ray.util.choices import EVERY, Targets

TRIES = 20  # batches that are drawn for one batch of clean images, at most


@memories.register("fresh")
@dataclass(frozen=True)
class Fresh:
    """New images for every student step (Algorithm 1 of DFKD-FGVC: "z ~ N(0, 1); x = G(z)" in each step).

    clean: the threshold of `parts.clean`, 0.5 in TA-DFKD: batches are drawn until there are as many images as are
        wanted that the teacher takes for clean ones, `TRIES` at most; what is missing then are such images over again.
        null: every image counts.
    reuse: take each batch for that many student steps of a round. More than 1 changes the published algorithm; it is
        the largest saving where the generator costs more than the student.
    """

    reuse: int = 1
    clean: float | None = None

    def __post_init__(self) -> None:
        if self.clean is not None:
            share(clean=self.clean)
        if self.reuse < 1:
            raise ValueError(f"reuse must be at least 1, got {self.reuse}")

    @property
    def targets(self) -> tuple[Targets, ...]:
        """Whether an image is clean is told by its class."""
        return EVERY if self.clean is None else ("classes",)

    def open(self, setting: Setting, teacher: nn.Module, device: torch.device) -> LiveFresh:
        return LiveFresh(self, teacher)


class LiveFresh:
    """Keeps a batch for `reuse` draws; starts anew each round, so nothing outlives a round."""

    def __init__(self, spec: Fresh, teacher: nn.Module) -> None:
        self.spec, self.teacher = spec, teacher
        self.left = 0
        self.batch: Batch | None = None

    def refill(self, source: LiveSource, batch: int, rng: torch.Generator) -> None:
        self.left = 0

    def draw(self, source: LiveSource, batch: int, rng: torch.Generator) -> Batch:
        if self.batch is None or self.left == 0:
            self.batch, self.left = self._new(source, batch, rng), self.spec.reuse
        self.left -= 1
        return self.batch

    def _new(self, source: LiveSource, batch: int, rng: torch.Generator) -> Batch:
        found = source.sample(batch, rng, training=True)
        if self.spec.clean is None:
            return found
        kept = [only_clean(self.teacher, found, self.spec.clean)]
        while (count := sum(len(each.images) for each in kept)) < batch and len(kept) < TRIES:
            kept.append(only_clean(self.teacher, source.sample(batch, rng, training=True), self.spec.clean))
        rows = torch.arange(batch, device=found.images.device) % count
        labels = [each.labels for each in kept if each.labels is not None]
        return Batch(torch.cat([each.images for each in kept])[rows], torch.cat(labels)[rows] if labels else None)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.left = 0
