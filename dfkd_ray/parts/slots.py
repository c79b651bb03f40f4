"""The exchangeable places of a method, as protocols, with their registries.

A spec `X` (a frozen dataclass from YAML) is inert and has `open`, which returns a `LiveX`: that has state, and is part
of the checkpoint through `state_dict` and `load_state_dict`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from dfkd_ray.parts.signals import Setting
from dfkd_ray.util.registry import Registry


class Batch(NamedTuple):
    """Synthetic images (B, C, H, W), detached, and the labels (B,) that they were asked for, if any."""

    images: Tensor
    labels: Tensor | None


class ImageLoss(Protocol):
    """The source loss as a source sees it."""

    def __call__(
        self, images: Tensor, labels: Tensor | None, /, *, only: str | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The scalar to minimise, and each term's value; `only`: that of one term, by its name."""
        ...


class Live(Protocol):
    """Something with state that a checkpoint carries."""

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: Mapping[str, Any]) -> Any: ...


class LiveSource(Live, Protocol):
    """A live source of images."""

    def improve(
        self, batch: int, steps: int, image_loss: ImageLoss, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        """Take `steps` optimisation steps and yield each step's loss values. `progress` of the run is in [0, 1]."""
        ...

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        """A batch of images as they are now, without a graph.

        `training`: as the student trains on them (batch statistics, which move); else without any change of state.
        """
        ...


@runtime_checkable
class Belongs(Protocol):
    """A live source whose images were made from one teacher, before the run started."""

    def belongs(self, teacher: nn.Module) -> None:
        """ConfigError unless they were made from this teacher."""
        ...


@runtime_checkable
class Counts(Protocol):
    """A live source that takes more than one update for each of the steps that it is told to take."""

    def updates(self, batch: int, steps: int) -> int:
        """Of a round."""
        ...


@runtime_checkable
class Skips(Protocol):
    """A live source or memory that takes steps of its own, but those whose gradients overflow float16."""

    @property
    def skipped(self) -> int:
        """Steps so far that were not taken."""
        ...


class Source(Protocol):
    """Where images come from. `also`: parameters of the source loss, to be trained together with the source."""

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveSource: ...


@runtime_checkable
class Needs(Protocol):
    """A part of a method, not yet opened, that needs what a machine may lack: a library, a folder."""

    def check(self) -> None:
        """MissingExtra, or ConfigError under the name of the field, where that is not there; opens nothing."""
        ...


class LiveMemory(Live, Protocol):
    """A live memory between the source and the student."""

    def refill(self, source: LiveSource, batch: int, rng: torch.Generator) -> None:
        """Called once a round, after the source has improved."""
        ...

    def draw(self, source: LiveSource, batch: int, rng: torch.Generator) -> Batch:
        """The images of one student step."""
        ...


@runtime_checkable
class Meets(Protocol):
    """A live memory that has to see its source before the run starts."""

    def meet(self, source: LiveSource) -> None:
        """Tell the source what it should keep; ConfigError if it is none for this memory."""
        ...


@runtime_checkable
class Varies(Protocol):
    """A live memory that may vary images, and keeps some of the variations."""

    @property
    def kept(self) -> float | None:
        """Their share so far; None where nothing is varied."""
        ...


class Memory(Protocol):
    """What the student trains on: fresh images, or a pool of past ones. The teacher may judge what to keep."""

    def open(self, setting: Setting, teacher: nn.Module, device: torch.device) -> LiveMemory: ...


class View(Protocol):
    """An augmentation of a batch of pictures (B, C, H, W), black 0 and white 1, differentiable; the labels stay."""

    def __call__(self, images: Tensor, rng: torch.Generator) -> Tensor: ...


sources: Registry[type[Any]] = Registry("source")
memories: Registry[type[Any]] = Registry("memory")
views: Registry[type[Any]] = Registry("view")
