"""Attention transfer: the student looks where the teacher looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts.losses.checks import one_of
from dfkd_ray.parts.losses.feature_mse import meet
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.words import counted

Stages = Literal["all", "last"]
Maps = tuple[Tensor, ...]


@terms.register("attention_transfer")
@dataclass(frozen=True)
class AttentionTransfer:
    """L = sum_j mean_{b,i} (q(A_j^s) - q(A_j^t))^2, q(A) = v / ||v||_2, v = flatten(mean_c A_c^2) of shape (B, H W).

    Zagoruyko and Komodakis, "Paying More Attention to Attention", ICLR 2017, arXiv 1612.03928, with the mean over batch
    and positions i of the code of ZSKT (Micaelli and Storkey, NeurIPS 2019, arXiv 1905.09768): the weight of 250 there
    belongs to this mean. A_j (B, C_j, H_j, W_j) are the outputs of stage j, the teacher's detached. Channel counts may
    differ; where sizes differ, both maps mean_c A_c^2 are averaged to the smaller (reconstruction).

    stages: "all", or the "last" alone (for networks whose numbers of stages differ).
    """

    targets: ClassVar = EVERY

    stages: Stages = "all"

    def __post_init__(self) -> None:
        one_of(Stages, stages=self.stages)

    def __call__(self, signals: Signals) -> Tensor:
        pairs = abreast(signals.teacher.stages, signals.student.stages, self.stages)
        return signals.ranks.mean(torch.stack([_difference(t.detach(), s) for t, s in pairs]).sum())


def abreast(teacher: Maps, student: Maps, stages: Stages) -> list[tuple[Tensor, Tensor]]:
    """(teacher's, student's) of each stage, or of the last alone; ConfigError if their numbers differ."""
    if stages == "last":
        teacher, student = teacher[-1:], student[-1:]
    if len(teacher) != len(student):
        counts = f"the teacher has {counted(len(teacher), 'stage')}, the student {len(student)}"
        raise ConfigError.at("stages", f"{counts}: compare the last ones with stages: last")
    return list(zip(teacher, student))


def _difference(teacher: Tensor, student: Tensor) -> Tensor:
    """Mean squared difference of the normalised maps of one stage: a scalar."""
    first, second = meet(*(x.square().sum(1, keepdim=True) / x.shape[1] for x in (teacher, student)))
    return F.mse_loss(F.normalize(second.flatten(1)), F.normalize(first.flatten(1)))
