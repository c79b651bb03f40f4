"""Distillation by the squared distance of logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY


@terms.register("logit_mse")
@dataclass(frozen=True)
class LogitMSE:
    """L = mean_{b,k} (s_bk - t_bk)^2, the mean squared error of the logits (B, K), with the teacher's t detached.

    Ba and Caruana, "Do Deep Nets Really Need to be Deep?", NIPS 2014, arXiv 1312.6184; a student's term of CPSC-DFKD
    (Shao et al., Pattern Recognition 2023). A generator's counterpart is `adversarial` with `divergence: mse`.
    """

    targets: ClassVar = EVERY

    def __call__(self, signals: Signals) -> Tensor:
        return (signals.student.logits - signals.teacher.logits.detach()).square().mean()
