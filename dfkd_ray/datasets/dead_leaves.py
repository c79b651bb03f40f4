"""Images that no teacher and no trial has a hand in: dead leaves, discs over discs in random colours.

The model (Matheron 1968; Lee, Mumford and Huang, IJCV 2001) has edges, areas and the spectrum of photographs and takes
no data; networks learn from it what they need for them (Baradad et al., NeurIPS 2021, arXiv:2106.05963).
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

LEAVES = 100  # of an image: then hardly anything of the ground is left
SIDE = 64  # pixels: larger images are these, enlarged


@lru_cache(maxsize=2)
def dead_leaves(
    count: int, image: tuple[int, int, int], mean: tuple[float, ...], std: tuple[float, ...], seed: int = 4
) -> Tensor:
    """(count, C, H, W), normalised by mean and std, a value a channel; drawn on the CPU, so that they are the same on
    every device. Radii follow r^-3, from a pixel to half of the longer side."""
    rng, (channels, height, width) = torch.Generator().manual_seed(seed), image
    h, w = min(height, SIDE), min(width, SIDE)
    pictures = torch.rand(count, channels, 1, 1, generator=rng).expand(count, channels, h, w)
    y, x = torch.arange(h)[:, None], torch.arange(w)
    for _ in range(LEAVES):
        radius = (1 - torch.rand(count, 1, 1, generator=rng) * (1 - (max(h, w) / 2) ** -2)) ** -0.5
        cy, cx = (torch.rand(count, 1, 1, generator=rng) * side for side in (h, w))
        leaf = ((y - cy) ** 2 + (x - cx) ** 2 < radius**2)[:, None]
        pictures = torch.where(leaf, torch.rand(count, channels, 1, 1, generator=rng), pictures)
    if (h, w) != (height, width):
        pictures = functional.interpolate(pictures, (height, width), mode="bilinear")
    middle, scale = (torch.tensor(values)[:, None, None] for values in (mean, std))
    return (pictures - middle) / scale
