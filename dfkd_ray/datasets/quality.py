"""How right a network is on real images: by what its task's targets are.

Of classes the share of images that are named right. Of segmentation the mean IoU. Of depth the share of positions whose
ratio of told to true depth is within 1.25, and what the field tells beside it; see `Depths`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

import torch
from torch import Tensor

from dfkd_ray.util.choices import Targets

WITHIN = 1.25  # the ratio of delta_1
LEAST = 1e-3  # of a told depth: a ratio and a logarithm need one above 0


class Judge(Protocol):
    """Counts over batches, so that no split's outputs are held at once."""

    def add(self, outputs: Tensor, targets: Tensor) -> None: ...
    def measures(self) -> dict[str, float]: ...


class Named:
    """Of classes: outputs (B, K), targets (B,)."""

    def __init__(self) -> None:
        self.right: list[Tensor] = []

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        self.right.append(outputs.argmax(1) == targets)

    def measures(self) -> dict[str, float]:
        return {"accuracy": float(torch.cat(self.right).float().mean())}


class Areas:
    """Of segmentation: outputs (B, K, H, W), targets (B, H, W).

    The IoU of class k over all positions of all images: n_kk / (sum_j n_kj + sum_j n_jk - n_kk), n_ij positions of
    class i that are told as j. miou is its mean over the classes that are there or are told (Long et al., CVPR 2015,
    section 5; PASCAL VOC).
    """

    def __init__(self) -> None:
        self.counts = torch.zeros(0, 0, dtype=torch.int64)  # (K, K): of each class, as what it is told

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        classes = outputs.shape[1]
        pairs = targets.long() * classes + outputs.argmax(1)
        found = torch.bincount(pairs.flatten(), minlength=classes**2).view(classes, classes).cpu()
        self.counts = found if not len(self.counts) else self.counts + found

    def by_class(self) -> Tensor:
        """(K,); NaN for a class that is nowhere."""
        both = self.counts.diagonal().double()
        return both / (self.counts.sum(0) + self.counts.sum(1) - both)

    def measures(self) -> dict[str, float]:
        return {"miou": float(self.by_class().nanmean())}


class Depths:
    """Of depth: outputs (B, 1, H, W), targets (B, H, W), d told and d* true, over all positions of all images.

    delta1: the share with max(d / d*, d* / d) < 1.25; rmse: sqrt(mean (d - d*)^2); rel: mean |d - d*| / d*. Eigen,
    Puhrsch and Fergus, NIPS 2014, arXiv:1406.2283, section 4.
    """

    def __init__(self) -> None:
        self.count, self.sums = 0, torch.zeros(3, dtype=torch.float64)

    def add(self, outputs: Tensor, targets: Tensor) -> None:
        told, true = outputs[:, 0].double(), targets.double()
        above = told.clamp_min(LEAST)
        within = torch.maximum(above / true, true / above) < WITHIN
        found = within.double().sum(), (told - true).square().sum(), ((told - true).abs() / true).sum()
        self.sums += torch.stack(found).cpu()
        self.count += true.numel()

    def measures(self) -> dict[str, float]:
        within, squares, relative = (self.sums / self.count).tolist()
        return {"delta1": within, "rmse": math.sqrt(squares), "rel": relative}


TALLIES: Mapping[Targets, Callable[[], Judge]] = {"classes": Named, "segmentation": Areas, "depth": Depths}


def measured(targets: Targets, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
    """The measures of batches of (outputs, targets), the first of them that by which networks are compared."""
    tally = TALLIES[targets]()
    for outputs, true in batches:
        tally.add(outputs.float(), true.to(outputs.device))
    return tally.measures()
