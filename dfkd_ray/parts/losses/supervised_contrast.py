"""SupCon: the two networks' embeddings of all images of a class are near, and far from those of other classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.precision import product
from dfkd_ray.parts.losses.checks import one_of, positive
from dfkd_ray.parts.losses.semantic_contrast import mlp
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.parts.total_loss import terms

Views = Literal["both", "student"]


@terms.register("supervised_contrast")
@dataclass(frozen=True)
class SupervisedContrast:
    """L = mean_i mean_{p in P(i)} -log( exp(v_i . v_p / tau) / sum_{a != i} exp(v_i . v_a / tau) ).

    Khosla et al., "Supervised Contrastive Learning", NeurIPS 2020, arXiv 2004.11362, eq. 2 (L_out). As in the code of
    CPSC-DFKD (Shao et al., Pattern Recognition 2023) v (2 N, D) are the embeddings that student and teacher have of the
    same N images, scaled to length 1: two views of each. P(i) are all others v_p whose image was asked for as the same
    class y, i's own other view among them. As a source's term it reaches the images through both networks. With classes
    all different it is SimCLR's NT-Xent.

    Where embeddings differ in length, the student's then goes through an adapter, linear - ReLU - linear, and is not
    scaled again. It stays as it was drawn: no optimiser moves it, there or here, and gradients pass through it. (There
    it stands in the student, whose weight decay shrinks it where torch fills gradients with zeros, as before 2.0.)

    temperature: tau, 0.07 in CPSC-DFKD.
    views: "both" networks' embeddings as above, or those of the "student" alone, v (N, D): images of one class are near
        each other, as in CAE-DFKD (arXiv 2504.21478, by a review: secondary). Images that are alone of their class in
        the batch are no anchors then.
    """

    temperature: float = 0.07
    views: Views = "both"

    def __post_init__(self) -> None:
        positive(temperature=self.temperature)
        one_of(Views, views=self.views)

    def open(self, setting: Setting) -> LiveSupervisedContrast:
        return LiveSupervisedContrast(self, setting)


class LiveSupervisedContrast(nn.Module):
    """A SupervisedContrast with its adapter."""

    def __init__(self, spec: SupervisedContrast, setting: Setting) -> None:
        super().__init__()
        self.spec = spec
        teacher, student = setting.teacher.embedding, setting.student.embedding
        same = teacher == student or spec.views == "student"
        self.adapt = nn.Identity() if same else mlp(student, teacher, layers=2).requires_grad_(False)

    def forward(self, signals: Signals) -> Tensor:
        if self.spec.views == "student":
            return supcon(F.normalize(signals.student.embedding), signals.labels, self.spec.temperature)
        student, teacher = (F.normalize(seen.embedding) for seen in (signals.student, signals.teacher))
        views = torch.cat([self.adapt(student), teacher])
        return supcon(views, signals.labels.repeat(2), self.spec.temperature)


def supcon(views: Tensor, labels: Tensor, temperature: float) -> Tensor:
    """L_out of views (M, D), taken as they are, with classes (M,): the mean over those whose class is there twice."""
    itself = torch.eye(len(views), dtype=torch.bool, device=views.device)
    log_p = (product(views, views.T) / temperature).masked_fill(itself, -torch.inf).log_softmax(1)
    positives = (labels[:, None] == labels) & ~itself
    counts = positives.sum(1)
    each = log_p.masked_fill(~positives, 0).sum(1) / counts.clamp(min=1)
    return -each.sum() / (counts > 0).sum().clamp(min=1)
