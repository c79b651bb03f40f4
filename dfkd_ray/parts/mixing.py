"""Mixing the images of a batch with one another, or their latents."""

from __future__ import annotations

import random

import torch
from torch import Tensor


def beta(alpha: float, rng: torch.Generator) -> float:
    """A share in [0, 1] from Beta(alpha, alpha)."""
    seed = int(torch.randint(1 << 62, (), generator=rng, device=rng.device))
    return random.Random(seed).betavariate(alpha, alpha)  # torch's own takes no generator


def positive(alpha: float) -> None:
    """ValueError unless alpha is a parameter of a Beta."""
    if not alpha > 0:
        raise ValueError(f"alpha must be > 0, got {alpha}")


def partners(x: Tensor, rng: torch.Generator) -> Tensor:
    """x (B, ...) in a random order: the partner of each."""
    return x[torch.randperm(len(x), generator=rng, device=rng.device).to(x.device)]


def mixup(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """share x + (1 - share) partner, for x (B, C, H, W): Zhang et al., ICLR 2018, arXiv:1710.09412."""
    return torch.lerp(partners(x, rng), x, share)  # exactly x where the partner is x


def cutmix(x: Tensor, share: float, rng: torch.Generator) -> Tensor:
    """x (B, C, H, W) with a box of the partner pasted in its place: Yun et al., ICCV 2019, arXiv:1905.04899.

    The box has the side sqrt(1 - share) of the image's; its centre is uniform and what lies outside is cut off. One box
    for the batch.
    """
    top, bottom, left, right = box(x.shape[2], x.shape[3], share, rng)
    out = x.clone()
    out[:, :, top:bottom, left:right] = partners(x, rng)[:, :, top:bottom, left:right]
    return out


def box(height: int, width: int, share: float, rng: torch.Generator) -> tuple[int, int, int, int]:
    """Rows and columns of the box of `cutmix`: top, bottom, left, right."""
    side = (1 - share) ** 0.5
    edges: list[int] = []
    for length in (height, width):
        centre = int(torch.randint(length, (), generator=rng, device=rng.device))
        half = int(length * side) // 2
        edges += [max(centre - half, 0), min(centre + half, length)]
    return edges[0], edges[1], edges[2], edges[3]
