"""Faint images: a bound on the energy of the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from dfkd_ray.parts.losses.checks import one_of
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY


@terms.register("l2")
@dataclass(frozen=True)
class L2:
    """L = mean_b ||x_b||_2, the un-squared norm of each image (C, H, W), or of the batch; no network is run.

    The l2 part of the image prior of Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via
    DeepInversion", CVPR 2020, arXiv 1912.08795, as in its code for ImageNet.

    of: the norm is that of each "image", or that of the whole "batch" (B, C, H, W), which grows with sqrt(B): TA-DFKD's
        (AAAI 2024), in its code.
    """

    targets: ClassVar = EVERY

    of: Literal["image", "batch"] = "image"

    def __post_init__(self) -> None:
        one_of(Literal["image", "batch"], of=self.of)

    def __call__(self, signals: Signals) -> Tensor:
        norms: Tensor = torch.linalg.vector_norm(signals.images.flatten(1), dim=1)
        return norms.mean() if self.of == "image" else torch.linalg.vector_norm(norms)
