"""Grad-CAM at every stage: the student's prediction rests on the regions that the teacher's rests on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.nets import channels_last
from dfkd_ray.parts.losses.attention_transfer import Maps, Stages, abreast
from dfkd_ray.parts.losses.checks import one_of
from dfkd_ray.parts.losses.feature_mse import meet
from dfkd_ray.parts.signals import Pass, Signals
from dfkd_ray.parts.total_loss import terms


@terms.register("grad_cam")
@dataclass(frozen=True)
class GradCam:
    """L = sum_j mean_{b,i} (M_j^s - M_j^t)^2, with M_j = sum_c w_jc A_jc and w_jc = mean_i dy / dA_jci.

    A_j (B, C_j, H_j, W_j) is the output of stage j, i its positions, y the logit of the teacher's top class, in either
    network; M_j (B, H_j, W_j) without a ReLU. The second part of the multi-scale spatial activation region consistency
    of SpaceshipNet: Yu et al., CVPR 2023, as in the authors' code. Grad-CAM is by Selvaraju et al., ICCV 2017, arXiv
    1610.02391. The teacher's maps are detached; channel counts may differ; where sizes differ, both maps are averaged
    to the smaller (reconstruction). Where images need no gradient, the teacher is run a second time, for its own.

    stages: "all", or the "last" alone (for networks whose numbers of stages differ).
    second_order: whether the student learns through its w too, for which autograd keeps the graph of a gradient; in the
        authors' code they are constants.
    """

    apart: ClassVar = True  # its w are gradients of stages
    stages: Stages = "all"
    second_order: bool = False

    def __post_init__(self) -> None:
        one_of(Stages, stages=self.stages)

    def __call__(self, signals: Signals) -> Tensor:
        classes = signals.teacher.share.outputs.argmax(1)
        images, teacher = signals.images, signals.teacher
        if not images.requires_grad:  # then nothing of the frozen teacher's pass has a graph
            teacher = teacher.on(images.detach().requires_grad_())
        found = maps(teacher, classes, False), maps(signals.student, classes, self.second_order)
        pairs = (meet(t.detach(), s) for t, s in abreast(*found, self.stages))
        return signals.ranks.mean(torch.stack([F.mse_loss(s, t) for t, s in pairs]).sum())


def maps(seen: Pass, classes: Tensor, second_order: bool) -> Maps:
    """M_j of each stage, (b, 1, H_j, W_j), for the classes (b,) of this rank's rows."""
    stages = seen.stages
    score = seen.share.outputs.gather(1, classes[:, None]).sum()
    gradients = torch.autograd.grad(score, stages, retain_graph=True, create_graph=second_order)
    return tuple(torch.einsum("bchw,bc->bhw", a, channels_last.mean(g)).unsqueeze(1) for g, a in zip(gradients, stages))
