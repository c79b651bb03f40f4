"""What sources that ask for classes and keep images have in common: drawing labels, and the batch of a round."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from dfkd_ray.parts.slots import Batch

Labels = Literal["none", "uniform", "balanced"]


def draw_labels(labels: Labels, classes: int, batch: int, rng: torch.Generator) -> Tensor | None:
    """Classes to ask for, (B,) int64: at random, or in turn from a random one on; None where none is asked for."""
    if labels == "none":
        return None
    if labels == "uniform":
        return torch.randint(classes, (batch,), generator=rng, device=rng.device)
    first = torch.randint(classes, (1,), generator=rng, device=rng.device)
    return (torch.arange(batch, device=rng.device) + first) % classes


class KeptBatch:
    """The images of a round's last step, or of the one with the lowest loss; compared on the device, without a stall.

    gives: "last", "best", or anything else, and then nothing is kept. maps: what is offered beside them.
    """

    batch: Batch | None

    def __init__(self, gives: str) -> None:
        self.gives, self.batch = gives, None
        self.maps: tuple[Tensor, ...] = ()
        self.least: Tensor | None = None

    def offer(self, images: Tensor, labels: Tensor | None, loss: Tensor, maps: tuple[Tensor, ...] = ()) -> None:
        """Images of a step, the loss that was found for them, and the feature maps that they came from."""
        if self.gives not in ("last", "best"):
            return
        images, loss, maps = images.detach(), loss.detach(), tuple(each.detach() for each in maps)
        if self.gives == "last" or self.batch is None or self.least is None:
            self.batch, self.least, self.maps = Batch(images, labels), loss, maps
            return
        better = loss < self.least
        kept = self.batch
        asked = None if labels is None or kept.labels is None else torch.where(better, labels, kept.labels)
        self.batch = Batch(torch.where(better, images, kept.images), asked)
        self.maps = tuple(torch.where(better, new, old) for new, old in zip(maps, self.maps))
        self.least = torch.minimum(loss, self.least)
