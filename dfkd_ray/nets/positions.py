"""Outputs of dense networks: one for each position of an image, read as rows."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.util.choices import Targets


def rows(x: Tensor) -> Tensor:
    """(B, K) as it is; (B, K, H, W) as (B H W, K), image by image and line by line."""
    return x if x.ndim == 2 else x.permute(0, 2, 3, 1).flatten(0, 2)


CELLS = 4  # to a side: over all positions the means of any two images are all but the same


def pooled(x: Tensor) -> Tensor:
    """What the last layer reads, (B, D) as it is; (B, D, H, W) by its means over CELLS x CELLS cells, one behind the
    other."""
    return F.adaptive_avg_pool2d(x, CELLS).flatten(1) if x.ndim == 4 else x.flatten(1)


def targets_of(outputs: Tensor) -> Targets:
    """What outputs (B, K) or (B, K, H, W) tell: at each position one of K classes, or where K is 1 a depth."""
    if outputs.ndim == 2:
        return "classes"
    return "segmentation" if outputs.shape[1] > 1 else "depth"
