"""Four ways to tell a generator which class to draw; they fit every generator that asks them at the same places."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Condition(nn.Module):
    """What labels (B,) do to a generator: here nothing, and nobody reads them; others override what they need.

    longer: elements that `join` adds to z. deeper: channels that `mark` adds to the first feature map.
    """

    longer = 0
    deeper = 0

    def join(self, z: Tensor, labels: Tensor | None) -> Tensor:
        """(B, latent) -> (B, latent + longer)."""
        return z

    def mark(self, features: Tensor, labels: Tensor | None) -> Tensor:
        """(B, C, h, w) -> (B, C + deeper, h, w), between the first BatchNorm and the first block."""
        return features

    def fit(self, generator: nn.Module) -> None:
        """Change what stands in the generator, once all of it is there."""


class ConcatEmbedding(Condition):
    """z and an embedding of the class, end to end."""

    def __init__(self, classes: int, length: int) -> None:
        super().__init__()
        self.longer = length
        self.embedding = nn.Embedding(classes, length)

    def join(self, z: Tensor, labels: Tensor | None) -> Tensor:
        return torch.cat([z, self.embedding(asked(labels))], dim=1)


class SumEmbedding(Condition):
    """z + e_y."""

    def __init__(self, classes: int, latent: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, latent)

    def join(self, z: Tensor, labels: Tensor | None) -> Tensor:
        return z + cast(Tensor, self.embedding(asked(labels)))


class LabelMap(Condition):
    """A linear layer from the one-hot class to one more channel of the first feature map."""

    deeper = 1

    def __init__(self, classes: int, sides: tuple[int, int]) -> None:
        super().__init__()
        self.sides = sides
        self.draw = nn.Linear(classes, sides[0] * sides[1])

    def mark(self, features: Tensor, labels: Tensor | None) -> Tensor:
        onehot = F.one_hot(asked(labels), self.draw.in_features).to(features.dtype)
        return torch.cat([features, self.draw(onehot).unflatten(1, (1, *self.sides))], dim=1)


class ByNorm(Condition):
    """Puts a `ConditionalBatchNorm` in the place of every BatchNorm of the generator, that of its output included."""

    def __init__(self, classes: int, eps: float) -> None:
        super().__init__()
        self.classes, self.eps = classes, eps

    def fit(self, generator: nn.Module) -> None:
        for name, module in generator.named_children():
            if isinstance(module, nn.BatchNorm2d):
                setattr(generator, name, ConditionalBatchNorm(self.classes, module.num_features, self.eps))
            elif isinstance(module, nn.Sequential | nn.ModuleList):  # an attention's own BatchNorm stays
                self.fit(module)


class ConditionalBatchNorm(nn.Module):
    """BatchNorm whose scale and shift are looked up by class: at first 1 and 0."""

    def __init__(self, classes: int, channels: int, eps: float) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, eps=eps, affine=False)
        self.scale, self.shift = nn.Embedding(classes, channels), nn.Embedding(classes, channels)
        nn.init.ones_(self.scale.weight)
        nn.init.zeros_(self.shift.weight)

    def forward(self, x: Tensor, labels: Tensor | None) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        y = asked(labels)
        scale, shift = (embedding(y)[:, :, None, None] for embedding in (self.scale, self.shift))
        return cast(Tensor, self.norm(x) * scale + shift)


def through(module: nn.Module, x: Tensor, labels: Tensor | None) -> Tensor:
    """module(x), where the conditional layers in it, if any, are told the labels."""
    if isinstance(module, ConditionalBatchNorm):
        return cast(Tensor, module(x, labels))
    if isinstance(module, nn.Sequential):
        for part in module:
            x = through(part, x, labels)
        return x
    return cast(Tensor, module(x))


def asked(labels: Tensor | None) -> Tensor:
    """The labels; ValueError where a generator that draws classes is asked for none."""
    if labels is None:
        raise ValueError("a conditional generator needs labels, and got none")
    return labels
