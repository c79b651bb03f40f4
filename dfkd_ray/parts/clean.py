"""Which images the teacher finds clean: those on the low side of a two-component mixture of its losses.

The selection of TA-DFKD: Shin and Choi, "Teacher as a Lenient Expert: Teacher-Agnostic Data-Free Knowledge
Distillation", AAAI 2024, arXiv 2402.12406, as in the authors' code (bigdata-inha/TA-DFKD-Official @5cb7f8a
Sample_Selection.py), which has it from DivideMix (Li et al., ICLR 2020, arXiv 2002.07394).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.precision import single
from dfkd_ray.nets.sharing import shared
from dfkd_ray.parts.slots import Batch
from dfkd_ray.util.errors import TrialFailed

STEPS = 10  # of EM, and of the two means that it starts from
FLOOR = 5e-4  # of a variance


class Mixture(NamedTuple):
    """Two Gaussians on a line: their shares, means and variances, (2,) each."""

    shares: Tensor
    means: Tensor
    variances: Tensor


def clean(logits: Tensor, threshold: float) -> Tensor:
    """Whether the teacher takes each image for a clean one, (B,) bool, from its logits (B, K): whether the posterior of
    the component with the lower mean is above the threshold.

    A loss is the cross-entropy with the teacher's own argmax; all are scaled to [0, 1] within the batch. The image with
    the lowest always is one, so where they are all alike, all are. One whose loss is not finite is none, and is taken
    for one of the highest, so that it hides no other. Computed on the device, without a stall.
    """
    losses = -F.log_softmax(logits.detach().double(), dim=1).amax(1)
    finite = losses.isfinite()
    low, high = losses.where(finite, torch.inf).amin(), losses.where(finite, -torch.inf).amax()
    scaled = (losses - low) / (high - low).clamp(min=torch.finfo(losses.dtype).tiny)
    return ((posterior(scaled.where(finite, 1.0)) > threshold) | (losses == low)) & finite


def posterior(values: Tensor) -> Tensor:
    """Of the component with the lower mean, (B,), for values in [0, 1], (B,).

    Ten steps of EM from two means, which begin at 0 and 1 (the code's library draws their beginning, and stops earlier
    where the likelihood stands); a variance is at least 5e-4.
    """
    means = values.new_tensor([0.0, 1.0])
    for _ in range(STEPS):
        nearest = F.one_hot((values[:, None] - means).abs().argmin(1), 2).to(values)
        means = _mixture(values, nearest).means
    belongs = nearest
    for _ in range(STEPS):
        belongs = _belongs(values, _mixture(values, belongs))
    return belongs.gather(1, _mixture(values, belongs).means.argmin().expand(len(values), 1))[:, 0]


def _mixture(values: Tensor, belongs: Tensor) -> Mixture:
    """The maximum of the likelihood for values (B,) that belong (B, 2) to each component."""
    sizes = belongs.sum(0) + 10 * torch.finfo(values.dtype).eps  # none is empty
    means = belongs.T @ values / sizes
    variances = (belongs * (values[:, None] - means).square()).sum(0) / sizes + FLOOR
    return Mixture(sizes / len(values), means, variances)


def _belongs(values: Tensor, mixture: Mixture) -> Tensor:
    """The posteriors of both components, (B, 2)."""
    shares, means, variances = mixture
    squares = (values[:, None] - means).square() / variances
    return (shares.log() - (squares + (2 * math.pi * variances).log()) / 2).softmax(1)


@torch.no_grad()
def only_clean(teacher: nn.Module, batch: Batch, threshold: float) -> Batch:
    """The images of a batch that are clean to the teacher as they are, before any view; one at least: TrialFailed where
    no loss is finite, as after a generator that diverged."""
    counts = clean(single(shared(teacher, batch.images)), threshold)
    images = batch.images[counts]
    if not len(images):
        raise TrialFailed("not finite: what the teacher says of the source's images, so none of them is clean")
    return Batch(images, None if batch.labels is None else batch.labels[counts])
