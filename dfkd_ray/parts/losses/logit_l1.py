"""Distillation by the distance of logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY


@terms.register("logit_l1")
@dataclass(frozen=True)
class LogitL1:
    """L = mean_{b,k} |s_bk - t_bk|, the mean absolute error of the logits (B, K), with the teacher's t detached.

    The student's loss of Fang et al., "Data-Free Adversarial Distillation" (DFAD), 2019, arXiv 1912.11006. Its
    generator's loss is `adversarial` with `divergence: l1`.
    """

    targets: ClassVar = EVERY

    def __call__(self, signals: Signals) -> Tensor:
        return (signals.student.logits - signals.teacher.logits.detach()).abs().mean()
