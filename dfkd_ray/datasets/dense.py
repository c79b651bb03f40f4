"""Targets for each position of an image: what readers may give for them, and how they become the task's."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from dfkd_ray.datasets.task import Task
from dfkd_ray.util.errors import DataError


def checked(task: Task, targets: NDArray[Any], sizes: tuple[int, ...], origin: str) -> NDArray[Any]:
    """Targets (N, H, W) for images of these `sizes` (N, H, W): numbers of classes, or depths above 0. DataError."""
    kind, what = ("iu", "whole numbers") if task.targets == "segmentation" else ("fiu", "numbers")
    if targets.shape != sizes or targets.dtype.kind not in kind:
        got = f"{targets.dtype} {targets.shape}"
        raise DataError(f"{origin}: {task.targets} of {task.name} must be {what} of shape {sizes}, got {got}")
    if len(targets) == 0:
        raise DataError(f"{origin}: there is no image")
    low, high, count = targets.min(), targets.max(), len(task.classes)
    if task.targets == "segmentation" and not 0 <= low <= high < count:
        raise DataError(f"{origin}: targets {low}..{high} do not fit the {count} classes of {task.name}")
    if task.targets == "depth" and not 0 < low <= high < np.inf:
        raise DataError(f"{origin}: a depth of {task.name} must be a finite number above 0, got {low}..{high}")
    return targets


def fitted(task: Task, targets: NDArray[Any]) -> Tensor:
    """(N, H, W) in the task's size, by the nearest: classes as uint8 (int64 above 256), depths as float32."""
    depth = task.targets == "depth"
    kind = torch.float32 if depth else torch.uint8 if len(task.classes) <= 256 else torch.int64
    found = torch.from_numpy(np.ascontiguousarray(targets))
    if found.shape[1:] != task.image[1:]:
        if task.fit == "pad":
            raise DataError(f"{task.name}: `fit: pad` has no targets for its border: take `fit: resize`")
        found = F.interpolate(found[:, None].double(), task.image[1:], mode="nearest-exact")[:, 0]
    return found.to(kind)
