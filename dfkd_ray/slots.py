"""The exchangeable places of a method, as protocols, with their registries.

A spec (a frozen dataclass from YAML) is inert and has `open`; what `open` returns is live, has state, and is part of
the checkpoint through `state_dict` and `load_state_dict`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from dfkd_ray.objective import LiveObjective
from dfkd_ray.registry import Registry
from dfkd_ray.signals import Setting


class Batch(NamedTuple):
    """Synthetic images (B, C, H, W), detached, and the labels (B,) that they were asked for, if any."""

    images: Tensor
    labels: Tensor | None


class Live(Protocol):
    """Something with state that a checkpoint carries."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> Any: ...


class Supply(Live, Protocol):
    """A live source of images."""

    def improve(
        self, batch: int, steps: int, teacher: nn.Module, student: nn.Module, loss: LiveObjective, rng: torch.Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Take `steps` optimisation steps; yield each step's loss values."""
        ...

    def sample(self, batch: int, rng: torch.Generator) -> Batch:
        """A batch of images as they are now, without a graph."""
        ...


class Source(Protocol):
    """Where images come from."""

    def open(self, setting: Setting, epochs: int, device: torch.device) -> Supply: ...


class Store(Live, Protocol):
    """A live memory between the source and the student."""

    def refill(self, supply: Supply, batch: int, rng: torch.Generator) -> None:
        """Called once a round, after the source has improved."""
        ...

    def draw(self, supply: Supply, batch: int, rng: torch.Generator) -> Batch:
        """The images of one student step."""
        ...


class Memory(Protocol):
    """What the student trains on: fresh images, or a pool of past ones."""

    def open(self) -> Store: ...


class View(Protocol):
    """An augmentation of a batch of images; the labels stay."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor: ...


sources: Registry[type[Any]] = Registry("source")
memories: Registry[type[Any]] = Registry("memory")
views: Registry[type[Any]] = Registry("view")
