"""A pool of past images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.parts.clean import only_clean
from dfkd_ray.parts.losses.checks import share
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, LiveSource, memories
from dfkd_ray.parts.varied import LiveVaried, Varied
from dfkd_ray.util.choices import EVERY, Targets
from dfkd_ray.util.errors import ConfigError


@memories.register("pool")
@dataclass(frozen=True)
class PoolMemory:
    """A pool of past images on the device, in half precision, the oldest replaced first; labels are kept beside them.

    clean: the threshold of `parts.clean`, 0.5 in TA-DFKD: of a batch only those images enter that the teacher takes for
        clean ones. null: all do.
    varied: by a diffusion model; the variations enter with their images, see `parts.varied` (DDA). null: none do.
    capacity: images at most. batches: how many new batches enter each round. (The image bank of CMI, Fang et al.,
    arXiv:2105.08584, which keeps every image as a file: a tensor needs no decoding and no workers.)
    """

    capacity: int = 6400
    batches: int = 1
    clean: float | None = None
    varied: Varied | None = None

    def __post_init__(self) -> None:
        if self.clean is not None:
            share(clean=self.clean)
        if self.capacity < 1 or self.batches < 1:
            raise ValueError(f"capacity and batches must be at least 1, got {self.capacity} and {self.batches}")

    def check(self) -> None:
        with _of_varied():
            if self.varied is not None:
                self.varied.check()

    @property
    def targets(self) -> tuple[Targets, ...]:
        """Whether an image is clean, or like its variation, is told of images with a class."""
        return EVERY if self.clean is None and self.varied is None else ("classes",)

    def open(self, setting: Setting, teacher: nn.Module, device: torch.device) -> LivePoolMemory:
        with _of_varied():
            varied = None if self.varied is None else self.varied.open(setting, teacher, device)
        return LivePoolMemory(self, teacher, varied)


@contextmanager
def _of_varied() -> Iterator[None]:
    """What is wrong within the block is told of that field."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(problem.under("varied") for problem in error.problems) from None


class LivePoolMemory:
    """A ring buffer of images (capacity, C, H, W) float16 and labels (capacity,)."""

    def __init__(self, spec: PoolMemory, teacher: nn.Module | None = None, varied: LiveVaried | None = None) -> None:
        self.spec, self.teacher, self.varied = spec, teacher, varied
        self.images: Tensor | None = None
        self.labels: Tensor | None = None
        self.added = 0  # images ever

    @property
    def size(self) -> int:
        return min(self.added, self.spec.capacity)

    @property
    def kept(self) -> float | None:
        """Of the variations so far, the share that entered; None where there are none."""
        return None if self.varied is None else self.varied.share

    def refill(self, source: LiveSource, batch: int, rng: torch.Generator) -> None:
        for _ in range(self.spec.batches):
            found = source.sample(batch, rng, training=True)
            if self.spec.clean is not None and self.teacher is not None:
                found = only_clean(self.teacher, found, self.spec.clean)
            self.add(*found)
            if self.varied is not None:
                self.add(*self.varied.of(found, rng))

    def draw(self, source: LiveSource, batch: int, rng: torch.Generator) -> Batch:
        assert self.images is not None, "refill comes before draw"
        rows = torch.randint(self.size, (batch,), generator=rng, device=rng.device).to(self.images.device)
        images = self.images[rows].to(torch.get_default_dtype(), memory_format=torch.channels_last)
        return Batch(images, None if self.labels is None else self.labels[rows])

    def add(self, images: Tensor, labels: Tensor | None) -> None:
        """Images (or any maps) and their labels, in the place of the oldest."""
        if self.images is None:
            self.images = images.new_zeros((self.spec.capacity, *images.shape[1:]), dtype=torch.float16)
            self.labels = None if labels is None else labels.new_zeros(self.spec.capacity)
        images = images[: self.spec.capacity]
        rows = (torch.arange(len(images), device=images.device) + self.added) % self.spec.capacity
        self.images[rows] = images.to(torch.float16)
        if self.labels is not None and labels is not None:
            self.labels[rows] = labels[: self.spec.capacity]
        self.added += len(images)

    def state_dict(self) -> dict[str, Any]:
        """What the pool holds so far, not the room that it has: early checkpoints are small.

        `added` tells a checkpoint which rows are new, see `runs/rings.py`.
        """
        held = {name: None if ring is None else self._held(ring) for name, ring in self._rings().items()}
        varied = {} if self.varied is None else {"varied": self.varied.state_dict()}
        return {**held, "added": self.added, **varied}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.images, self.labels = (self._room(state[name]) for name in self._rings())
        self.added = state["added"]
        if self.varied is not None:
            self.varied.load_state_dict(state["varied"])

    def _rings(self) -> dict[str, Tensor | None]:
        return {"images": self.images, "labels": self.labels}

    def _held(self, ring: Tensor) -> Tensor:
        # a part is cloned, because torch.save writes the whole storage of a view
        return ring if self.size == len(ring) else ring[: self.size].clone()

    def _room(self, held: Tensor | None) -> Tensor | None:
        """`held` (n, ...) at the beginning of a ring for all that the pool may hold."""
        if held is None:
            return None
        ring = held.new_zeros((self.spec.capacity, *held.shape[1:]))
        ring[: len(held)] = held
        return ring
