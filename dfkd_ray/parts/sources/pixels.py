"""Images without a generator: their pixels are what is optimised."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dfkd_ray.nets import channels_last
from dfkd_ray.nets.precision import LossScaler
from dfkd_ray.parts.optimizers import (
    Adam,
    Constant,
    LrSchedule,
    OptimizerSpec,
    descend,
    lr_schedules,
    optimizers,
    set_lr,
)
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, ImageLoss, sources
from dfkd_ray.parts.sources.batches import KeptBatch, Labels, draw_labels
from dfkd_ray.util.choices import EVERY, Targets


@sources.register("pixels")
@dataclass(frozen=True, kw_only=True)
class Pixels:
    """A new batch in each round, from N(0, 1) on (DeepInversion, Yin et al., CVPR 2020, arXiv:1912.08795).

    Before the first round the source gives that noise. An evaluation sees the last round's images, over again where it
    wants more of them: there is no way to others than to invert them, and so the student knows them.

    labels: classes to ask for, see `Trained`; in the code for CIFAR-10 all in turn.
    gives: the images after the "last" step, or those of the step whose loss was "best". The code for CIFAR-10, and
        CMI's, mean the best and give the last: what they keep of the best is overwritten by the later steps. The code
        for ImageNet gives the best.
    clamp: after each step, pixels beyond the range of real images are put back to its end; the code for ImageNet does
        so in its short runs, that for CIFAR-10 does not.
    optimizer: Adam 0.05, the code for CIFAR-10; new in each round, also for what the source loss learns.
    lr_schedule: over the steps of a round. The code for CIFAR-10 has none, that for ImageNet a cosine with a warm-up
        over the first 100 steps, of 2000 in its short runs.
    """

    labels: Labels = "balanced"
    gives: Literal["last", "best"] = "last"
    clamp: bool = False
    optimizer: OptimizerSpec = field(default=Adam(lr=0.05), metadata={"registry": optimizers})
    lr_schedule: LrSchedule = field(default=Constant(), metadata={"registry": lr_schedules})

    @property
    def targets(self) -> tuple[Targets, ...]:
        """A class to ask for is one of an image."""
        return EVERY if self.labels == "none" else ("classes",)

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LivePixels:
        return LivePixels(self, setting, also, device)


class LivePixels:
    """The images of the last round and the scale of its loss are all that outlives it."""

    def __init__(self, spec: Pixels, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> None:
        self.spec, self.setting, self.device = spec, setting, device
        self.also = list(also)
        mean, std = (torch.tensor(values, device=device)[:, None, None] for values in (setting.mean, setting.std))
        self.range = (-mean / std, (1 - mean) / std)
        self.scaler = LossScaler(setting.precision, device)
        self.kept: Batch | None = None

    def improve(
        self, batch: int, steps: int, image_loss: ImageLoss, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        if not steps:
            return
        images, labels = nn.Parameter(self._noise(batch, rng)), self._labels(batch, rng)
        optimizer = self.spec.optimizer.open([images, *self.also])
        best = KeptBatch("best")
        for step in range(steps):
            set_lr(optimizer, self.spec.optimizer.lr * self.spec.lr_schedule(step / steps))
            loss, values = image_loss(images, labels)
            if self.spec.gives == "best":
                best.offer(images.detach().clone(), labels, loss)
            descend(optimizer, loss, self.scaler)
            if self.spec.clamp:
                images.data.clamp_(*self.range)
            yield values
        self.kept = best.batch or Batch(images.detach(), labels)

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        if self.kept is None:
            return Batch(self._noise(batch, rng), self._labels(batch, rng))
        if training:
            return self.kept
        rows = torch.arange(batch, device=self.device) % len(self.kept.images)
        return Batch(self.kept.images[rows], None if self.kept.labels is None else self.kept.labels[rows])

    @property
    def skipped(self) -> int:
        return self.scaler.skipped

    def state_dict(self) -> dict[str, Any]:
        return {"scaler": self.scaler.state_dict(), "kept": None if self.kept is None else tuple(self.kept)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.scaler.load_state_dict(state.get("scaler", {}))
        self.kept = None if state["kept"] is None else Batch(*state["kept"])

    def _noise(self, batch: int, rng: torch.Generator) -> Tensor:
        noise = torch.randn(batch, *self.setting.image, generator=rng, device=self.device)
        return channels_last.laid(noise)

    def _labels(self, batch: int, rng: torch.Generator) -> Tensor | None:
        return draw_labels(self.spec.labels, self.setting.classes, batch, rng)
