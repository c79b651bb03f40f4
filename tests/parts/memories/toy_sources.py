"""What the tests of memories draw from, without a generator."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.slots import Batch

IMAGE = (3, 8, 8)
SETTING = Setting(IMAGE, 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")


class Counting:
    """A source whose n-th batch is full of n, and whose labels are n."""

    def __init__(self, labelled: bool = True) -> None:
        self.labelled, self.batches = labelled, 0
        self.trainings: list[bool] = []

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        self.batches += 1
        self.trainings.append(training)
        images = torch.full((batch, *IMAGE), float(self.batches))
        return Batch(images, torch.full((batch,), self.batches) if self.labelled else None)


class Layered(Counting):
    """Its n-th maps, at two depths, are full of n; remembers what it made images of."""

    shapes = ((4, 2, 2), (6, 4, 4))

    def __init__(self, labelled: bool = True) -> None:
        super().__init__(labelled)
        self.keeps = 0
        self.decoded: list[tuple[Tensor, int, Tensor | None]] = []

    def keep_maps(self) -> None:
        self.keeps += 1

    def sample_maps(self, batch: int, rng: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor | None]:
        images, labels = self.sample(batch, rng, training=True)
        return tuple(images[0, 0, 0, 0].expand(batch, *shape) for shape in self.shapes), labels

    def decode(self, maps: Tensor, depth: int, labels: Tensor | None) -> Tensor:
        self.decoded.append((maps, depth, labels))
        return maps.mean((1, 2, 3), keepdim=True).expand(-1, *IMAGE)


def scoring() -> nn.Module:
    """A frozen teacher of five classes."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 5)).eval().requires_grad_(False)


def opened(spec: Any, seed: int = 0) -> Any:
    """A memory in use."""
    teacher = scoring()
    torch.manual_seed(seed)
    return spec.open(SETTING, teacher, CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)
