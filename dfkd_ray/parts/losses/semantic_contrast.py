"""SFCL: the two networks' embeddings of an image are near, and far from those of other images."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.precision import product
from dfkd_ray.parts.losses.checks import positive
from dfkd_ray.parts.losses.feature_mse import Pairs
from dfkd_ray.parts.losses.high_order import perceptron
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.parts.total_loss import terms


@terms.register("semantic_contrast")
@dataclass(frozen=True)
class SemanticContrast:
    """L = mean over anchors i of -log( exp(v_i . v_j / tau) / sum_{k != i} exp(v_i . v_k / tau) ).

    Semantic feature contrastive learning of DFKD-FGVC: Shao et al., ICCV 2023, arXiv 2404.12037, section 4.3, eqs. 8-9;
    the symmetric form is the NT-Xent of SimCLR (arXiv 2002.05709). v (2 N, dim) are the projections of the teacher's
    (detached) and the student's embedding of the same N images, scaled to length 1, so that a product is the cosine.
    Each v_i has one positive j, the other network's view of its image, and 2 (N - 1) negatives: 2 N - 1 summands. Eq. 9
    is the summand of one anchor; the mean over them is a reconstruction. Uses no labels. At N = 1 it is 0.

    The projection is an MLP, linear - ReLU - linear, one for both networks, trained with the student. Where the lengths
    of their embeddings differ, another MLP takes the student's to the teacher's length D first, as section 5.2 says for
    students of other architectures (`high_order.perceptron`; that MHAD has one of its own is a reconstruction).
    temperature: tau; not stated in the paper, 0.07 from the same first author's CPSC-DFKD.
    dim: length of v; not stated, 128 as in SimCLR and SupCon (arXiv 2004.11362). The inner width is D, also not stated.
    layers: linear layers of the MLP. The paper's "two hidden linear layers" is read as 2; 3 is the other reading, two
        hidden layers and an output.
    symmetric: whether the student's views are anchors too, as in CPSC-DFKD (reconstruction), or the teacher's alone:
        eq. 9 shows no other.
    """

    temperature: float = 0.07
    dim: int = 128
    layers: int = 2
    symmetric: bool = True

    def __post_init__(self) -> None:
        positive(temperature=self.temperature, dim=self.dim, layers=self.layers)

    def open(self, setting: Setting) -> LiveSemanticContrast:
        return LiveSemanticContrast(self, setting)


class LiveSemanticContrast(nn.Module):
    """A SemanticContrast with its projection, and its MLP where the student's embedding has another length."""

    def __init__(self, spec: SemanticContrast, setting: Setting) -> None:
        super().__init__()
        self.spec = spec
        self.project = mlp(setting.teacher.embedding, spec.dim, spec.layers)
        self.pairs = Pairs(setting, "embedding", perceptron)

    def forward(self, signals: Signals) -> Tensor:
        ((teacher, student),) = self.pairs(signals)
        teacher, student = self.project(teacher.flatten(1)), self.project(student.flatten(1))
        return contrast(teacher, student, self.spec.temperature, self.spec.symmetric)


def contrast(teacher: Tensor, student: Tensor, temperature: float, symmetric: bool) -> Tensor:
    """The mean of eq. 9 over its anchors, for two views (N, dim) of the same images, row by row: a scalar."""
    count, device = len(teacher), teacher.device
    views = F.normalize(torch.cat([teacher, student]))
    similarity = product(views, views.T) / temperature
    similarity = similarity.masked_fill(torch.eye(2 * count, dtype=torch.bool, device=device), -torch.inf)
    positive = torch.arange(2 * count, device=device).roll(count)  # image i is row i and row N + i
    anchors = 2 * count if symmetric else count
    return F.cross_entropy(similarity[:anchors], positive[:anchors])


def mlp(inputs: int, outputs: int, layers: int) -> nn.Sequential:
    """`layers` linear layers with ReLUs between: (N, inputs) -> (N, outputs), of inner width `inputs`."""
    hidden = [module for _ in range(layers - 1) for module in (nn.Linear(inputs, inputs), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(inputs, outputs))
