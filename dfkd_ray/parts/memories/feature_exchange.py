"""A pool of feature maps of the generator, whose channels are exchanged before they become images."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from dfkd_ray.parts.memories.pool import LivePoolMemory, PoolMemory
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, LiveSource, memories
from dfkd_ray.util.choices import EVERY
from dfkd_ray.util.errors import ConfigError


@memories.register("feature_exchange")
@dataclass(frozen=True)
class FeatureExchange:
    """Channel-wise feature exchange of SpaceshipNet: Yu et al., "Data-Free Knowledge Distillation via Feature Exchange
    and Activation Region Constraint", CVPR 2023, as in the authors' code.

    Each round the feature maps of what the source hands over enter the pool, at every depth of its generator: at 32
    pixels (128, 8, 8), (128, 16, 16) and (64, 32, 32). A draw takes maps of past rounds, all of one random depth, and
    with probability `p` exchanges channels between image i and image N - 1 - i of the batch: a random half of the
    channels, drawn for each image, is its own, the other half its partner's. The generator of today, in evaluation
    mode, makes images of them. No image has a class that was asked for any more, so there are no labels.

    p: of a batch; 0.7 in the code.
    capacity: images at most, the oldest are replaced first. The maps of one take 208 KiB in half precision at 32 pixels
        and the generator's width of 64: 1.1 GB for 5120, 20 batches of 256. The code keeps those of all rounds.
    """

    targets: ClassVar = EVERY

    p: float = 0.7
    capacity: int = 5120

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"p is a probability, got {self.p}")
        if self.capacity < 1:
            raise ValueError(f"capacity must be at least 1, got {self.capacity}")

    def open(self, setting: Setting, teacher: nn.Module, device: torch.device) -> LiveFeatureExchange:
        return LiveFeatureExchange(self)


@runtime_checkable
class Layered(Protocol):
    """A source that has feature maps; see `parts.sources.upsampling`."""

    def keep_maps(self) -> None: ...
    def sample_maps(self, batch: int, rng: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor | None]: ...
    def decode(self, maps: Tensor, depth: int, labels: Tensor | None) -> Tensor: ...


class LiveFeatureExchange:
    """A pool for each depth, all filled alike; their labels are those that a conditional generator decodes with."""

    def __init__(self, spec: FeatureExchange) -> None:
        self.spec = spec
        self.pools: list[LivePoolMemory] = []
        self.seed = self.draws = 0  # of a round; they decide what is drawn, without a look at the device

    def meet(self, source: LiveSource) -> None:
        _layered(source).keep_maps()

    def refill(self, source: LiveSource, batch: int, rng: torch.Generator) -> None:
        maps, labels = _layered(source).sample_maps(batch, rng)
        if not self.pools:
            self.pools = [LivePoolMemory(PoolMemory(self.spec.capacity)) for _ in maps]
        for pool, each in zip(self.pools, maps):
            pool.add(each, labels)
        self.seed, self.draws = int(torch.randint(2**31, (), generator=rng, device=rng.device)), 0

    def draw(self, source: LiveSource, batch: int, rng: torch.Generator) -> Batch:
        assert self.pools, "refill comes before draw"
        dice = random.Random(f"{self.seed}/{self.draws}")
        self.draws += 1
        depth = dice.randrange(len(self.pools))
        maps, labels = self.pools[depth].draw(source, batch, rng)
        if dice.random() < self.spec.p:
            maps = exchanged(maps, rng)
        return Batch(_layered(source).decode(maps, depth, labels), None)

    def state_dict(self) -> dict[str, Any]:
        return {"pools": [pool.state_dict() for pool in self.pools], "seed": self.seed, "draws": self.draws}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.pools = [LivePoolMemory(PoolMemory(self.spec.capacity)) for _ in state["pools"]]
        for pool, each in zip(self.pools, state["pools"]):
            pool.load_state_dict(each)
        self.seed, self.draws = state["seed"], state["draws"]


def exchanged(maps: Tensor, rng: torch.Generator) -> Tensor:
    """Maps (N, C, H, W) with a random half of their own channels, and the other C - C // 2 of map N - 1 - i."""
    count, channels = maps.shape[:2]
    order = torch.rand(count, channels, generator=rng, device=rng.device).argsort(1).to(maps.device)
    return torch.where((order < channels // 2)[:, :, None, None], maps, maps.flip(0))


def _layered(source: LiveSource) -> Layered:
    if isinstance(source, Layered):
        return source
    raise ConfigError.at("", "feature_exchange needs a source whose feature maps it can keep and decode: upsampling")
