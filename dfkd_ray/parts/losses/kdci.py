"""KDCI: distillation with a student that is told what the substitute data are biased to."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.parts.losses.checks import one_of, positive
from dfkd_ray.parts.losses.kd import Direction, kl
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.errors import ConfigError

Fusion = Literal["sum", "linear"]
Lambda = Literal["additive", "uniform"]
Found = Literal["kmeans", "random"]
Shares = Literal["counted", "uniform"]


@terms.register("kdci")
@dataclass(frozen=True)
class KDCI:
    """L = `kd` of s_b + sum_i lambda_bi P(z_i) z_i in place of the student's logits s_b; takes the place of `kd`.

    Knowledge distillation causal intervention: Wang et al., "De-confounded Data-free Knowledge Distillation for
    Handling Distribution Shifts", CVPR 2024, arXiv 2403.19539: a plug-in on DAFL, FastDFKD, CMI, DeepInversion and
    others. In a method, `student_loss: {kd: {name: kdci, temperature: 20.0}}`; as an ablation,
    `student_loss.kd: {name: kdci, temperature: 20.0}` beside the host's own.

    Only its abstract could be read. That the shift of the substitute images (the confounder) stands in a dictionary of
    prototypes z_i of prediction features, found by K-means++ (and PCA), with their shares P(z_i), that the student's
    prediction is fused with the sum above, and that lambda comes from an additive attention, is from second-hand
    summaries (secondary). All else is a reconstruction: the features are the teacher's logits (B, K); they are those of
    the first images that the student sees, `kd` alone until there are enough; the dictionary then stays;
    lambda_bi = softmax_i(v . tanh(W s_b + U z_i)) with v, W, U trained with the student (Bahdanau et al., arXiv
    1409.0473). A student at work is the network alone.

    prototypes: how many z_i at most; not stated. null: as many as classes (reconstruction).
    collect: how many images make the dictionary; not stated, 2048 is a reconstruction.
    pca: principal components in which the prototypes are sought; null: in the logits themselves.
    dim: length of v; not stated, 64 is a reconstruction.
    attention: lambda is that of the "additive" attention, or "uniform", 1 / N.
    found: prototypes are the means of the clusters of "kmeans", or features drawn at "random".
    shares: P(z_i) is "counted", the share of the features that are nearest to z_i, or "uniform", 1 / N. That each of
        these three matters is from a second-hand summary; what stood in their places there is not known, the second
        values are reconstructions.
    fusion: "sum" as above, which a summary calls a normalised weighted geometric mean (the softmax follows), or
        "linear", which takes the sum over i through a matrix (K, K) that begins as the identity and is trained with the
        student: it can make up for the smallness of the shares.
    temperature: as in `kd`.
    direction: as in `kd`.
    """

    prototypes: int | None = None
    collect: int = 2048
    pca: int | None = None
    dim: int = 64
    attention: Lambda = "additive"
    found: Found = "kmeans"
    shares: Shares = "counted"
    fusion: Fusion = "sum"
    temperature: float = 1.0
    direction: Direction = "teacher_student"

    def __post_init__(self) -> None:
        positive(collect=self.collect, dim=self.dim, temperature=self.temperature)
        positive(**{name: n for name in ("prototypes", "pca") if (n := getattr(self, name)) is not None})
        one_of(Lambda, attention=self.attention)
        one_of(Found, found=self.found)
        one_of(Shares, shares=self.shares)
        one_of(Fusion, fusion=self.fusion)
        one_of(Direction, direction=self.direction)

    def open(self, setting: Setting) -> LiveKDCI:
        count = self.prototypes or setting.classes
        if self.collect < count:
            raise ConfigError.at("collect", f"{count} prototypes need at least as many images, got {self.collect}")
        return LiveKDCI(self, count, setting.classes)


class LiveKDCI(nn.Module):
    """A KDCI with its dictionary and its attention.

    gauges: the mean size of what is added to a logit, once the dictionary stands.
    """

    features: Tensor
    prototypes: Tensor
    shares: Tensor

    def __init__(self, spec: KDCI, count: int, classes: int) -> None:
        super().__init__()
        self.spec = spec
        if spec.attention == "additive":
            self.query = nn.Linear(classes, spec.dim)
            self.key = nn.Linear(classes, spec.dim, bias=False)
            self.energy = nn.Linear(spec.dim, 1, bias=False)
        self.fuse: nn.Linear | None = None
        if spec.fusion == "linear":
            self.fuse = nn.Linear(classes, classes, bias=False)
            nn.init.eye_(self.fuse.weight)
        self.register_buffer("features", torch.zeros(spec.collect, classes))
        self.register_buffer("prototypes", torch.zeros(count, classes))
        self.register_buffer("shares", torch.zeros(count))
        self.filled, self.stands = 0, False
        self.gauges: dict[str, Tensor] = {}

    @property
    def collecting(self) -> bool:
        """Whether it is still plain `kd`."""
        return not self.stands

    def forward(self, signals: Signals) -> Tensor:
        teacher, student = signals.teacher.logits.detach(), signals.student.logits
        if self.stands:
            prior = self.prior(student)
            student = student + prior
            self.gauges = {"prior": prior.detach().abs().mean()}
        else:
            self._collect(teacher)
        return kl(teacher, student, self.spec.direction, self.spec.temperature).mean()

    def prior(self, logits: Tensor) -> Tensor:
        """sum_i lambda_bi P(z_i) z_i for predictions (B, K), through `fuse` if there is one: (B, K)."""
        attention = self._energies(logits).masked_fill(self.shares == 0, -torch.inf).softmax(1)
        prior: Tensor = (attention * self.shares) @ self.prototypes
        return prior if self.fuse is None else self.fuse(prior)

    def _energies(self, logits: Tensor) -> Tensor:
        """What lambda is the softmax of, (B, N)."""
        if self.spec.attention == "uniform":
            return logits.new_zeros(len(logits), len(self.shares))
        energies: Tensor = self.energy(torch.tanh(self.query(logits)[:, None] + self.key(self.prototypes)))
        return energies.squeeze(2)

    @torch.no_grad()
    def settle(self) -> None:
        """Make the dictionary as soon as there are enough features."""
        if self.stands or self.filled < self.spec.collect:
            return
        seed = int(torch.randint(2**31, ()))
        prototypes, shares = dictionary(self.features, len(self.shares), self.spec.pca, seed, self.spec.found)
        if self.spec.shares == "uniform":
            shares = (shares > 0) / (shares > 0).sum()
        self.prototypes[: len(shares)], self.shares[: len(shares)] = prototypes, shares
        self.stands = True

    def _collect(self, logits: Tensor) -> None:
        more = logits[: self.spec.collect - self.filled]
        self.features[self.filled : self.filled + len(more)] = more
        self.filled += len(more)

    def get_extra_state(self) -> Tensor:
        """What decides without a look at the device."""
        return torch.tensor([self.filled, int(self.stands)])

    def set_extra_state(self, state: Tensor) -> None:
        self.filled, self.stands = int(state[0]), bool(state[1])


def dictionary(
    features: Tensor, count: int, components: int | None, seed: int, found: Found = "kmeans"
) -> tuple[Tensor, Tensor]:
    """Prototypes (N, K) of features (M, K) and their shares (N,), N <= count, sought in the first principal components
    if `components` is given: the means of the clusters of K-means++, or distinct features drawn at random."""
    points = features.double().cpu()
    if components is not None:
        points = points - points.mean(0)
        points = points @ torch.linalg.svd(points, full_matrices=False).Vh[:components].T
    count = min(count, len(torch.unique(points, dim=0)))
    if found == "random":
        rows = _distinct(points, count, seed)
        labels = torch.cdist(points, points[rows]).argmin(1)
    else:
        labels = _clusters(points, count, seed)
    members = F.one_hot(labels, count).to(features)
    sizes = members.sum(0)
    if found == "random":
        return features[rows.to(features.device)], sizes / len(features)
    return members.T @ features / sizes[:, None].clamp(min=1), sizes / len(features)


def _distinct(points: Tensor, count: int, seed: int) -> Tensor:
    """Rows of so many points (M, D) that differ, at random."""
    _, which = torch.unique(points, dim=0, return_inverse=True)
    first = torch.full((int(which.max()) + 1,), len(points)).scatter_reduce(
        0, which, torch.arange(len(points)), reduce="amin"
    )
    return first[torch.randperm(len(first), generator=torch.Generator().manual_seed(seed))[:count]]


def _clusters(points: Tensor, count: int, seed: int) -> Tensor:
    """The cluster of each point, (M,) int64."""
    from scipy.cluster.vq import kmeans2  # here, because whoever has no KDCI needs no scipy

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # an empty cluster has the share 0
        _, labels = kmeans2(points.numpy(), count, minit="++", seed=seed)
    return torch.from_numpy(labels).long()
