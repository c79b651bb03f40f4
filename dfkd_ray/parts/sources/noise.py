"""Images of plain noise: the floor that every data-free method has to beat."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, ImageLoss, sources
from dfkd_ray.util.choices import EVERY


@sources.register("noise")
@dataclass(frozen=True)
class Noise:
    """Independent Gaussian pixels of zero mean and unit variance in the teacher's input space; nothing is learned.

    Distilling on it is the control "KD on random noise" of the data-free literature (for example Table 1 of DAFL,
    Chen et al., arXiv:1904.01186, "normal distribution").
    """

    targets: ClassVar = EVERY

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveNoise:
        return LiveNoise(setting.image, device)


class LiveNoise:
    """Has no state, and a spec without fields: every batch is drawn from the random numbers that it is handed."""

    def __init__(self, image: tuple[int, int, int], device: torch.device) -> None:
        self.image, self.device = image, device

    def improve(
        self, batch: int, steps: int, image_loss: ImageLoss, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        return iter(())

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        return Batch(torch.randn(batch, *self.image, generator=rng, device=self.device), None)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass
