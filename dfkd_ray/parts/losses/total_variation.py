"""Smooth images: neighbouring pixels are alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor

from dfkd_ray.nets import channels_last
from dfkd_ray.parts.losses.checks import one_of
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY

Norm = Literal["l2", "l1"]


@terms.register("total_variation")
@dataclass(frozen=True)
class TotalVariation:
    """L = sum_d ||x - shift_d(x)|| over four directions d: right, down and the two diagonals.

    Mahendran and Vedaldi, arXiv 1412.0035, in the form of the code of DeepInversion (Yin et al., CVPR 2020, arXiv
    1912.08795), of which neither paper states the diagonals. x: (B, C, H, W); no network is run.

    norm: "l2" is the un-squared norm of the whole batch's differences (so it grows with sqrt(B)), "l1" their mean
        magnitude: a weight of the one says nothing of the other. DeepInversion's code has both and gives "l1" no
        weight, TA-DFKD's (AAAI 2024) has "l2", and CMI's, for its run of ADI, "l1".
    """

    targets: ClassVar = EVERY

    norm: Norm = "l2"

    def __post_init__(self) -> None:
        one_of(Norm, norm=self.norm)

    def __call__(self, signals: Signals) -> Tensor:
        x = channels_last.last(signals.images)
        differences = (
            x[:, :, 1:] - x[:, :, :-1],
            x[:, 1:] - x[:, :-1],
            x[:, 1:, 1:] - x[:, :-1, :-1],
            x[:, 1:, :-1] - x[:, :-1, 1:],
        )
        if self.norm == "l1":
            return torch.stack([d.abs().mean() for d in differences]).sum()
        return torch.stack([torch.linalg.vector_norm(d) for d in differences]).sum()
