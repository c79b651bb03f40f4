"""Which images of a pool are kept, by a score, and how often each class is drawn then.

The idea is that of "Pruning then Reweighting" (training diffusion models on a part of their data): first a part, then
weights of classes. There the data are real ones, so all of this is a reconstruction. Nothing but the teacher, the pool
and perhaps a student is asked.
"""

from __future__ import annotations

from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray import datasets
from dfkd_ray.datasets.pools import Images
from dfkd_ray.datasets.pools.selection import Selection
from dfkd_ray.parts.catching import catch
from dfkd_ray.parts.signals import mode
from dfkd_ray.runs import measures
from dfkd_ray.util.errors import ConfigError

Score = Literal["teacher_loss", "student_gradient", "herding"]
Weights = Literal["none", "balanced", "loss"]
LEAST = 0.1  # of the mean loss of all classes: a teacher that is sure of a class loses 0 there, in float32 exactly


class Looked(NamedTuple):
    """What a network says of the images: logits (N, K) and embeddings (N, D), on the CPU."""

    logits: Tensor
    embeddings: Tensor


@torch.no_grad()
def look(net: nn.Module, task: datasets.Task, images: Tensor, device: torch.device) -> Looked:
    """For uint8 images (N, C, H, W), in evaluation mode."""
    prepare = partial(datasets.normalise, task)
    with mode(net.to(device), training=False):
        parts = [
            catch(net, prepare(batch.to(device)).to(memory_format=torch.channels_last), norms=False)
            for batch in torch.split(images, measures.at_a_time(*images.shape[2:]))
        ]
    return Looked(torch.cat([p.outputs for p in parts]).cpu(), torch.cat([p.embedding for p in parts]).cpu())


def selected(
    images: Images, digest: str, teacher: Looked, student: Looked | None, score: Score, share: float, weights: Weights
) -> Selection:
    """Of each class the best `share` by the score, one image at least.

    score: "teacher_loss", the lowest cross-entropy of the teacher with the class that was asked for;
        "student_gradient", the largest ||softmax(s) - softmax(t)||_2, the gradient of a distillation loss by the
        student's logits (the EL2N of Paul et al., NeurIPS 2021, arXiv:2107.07075, with the teacher's word for the
        label); "herding", the images whose mean embedding by the teacher, scaled to length 1, is nearest to that of the
        whole class, one after another (Welling, ICML 2009; Rebuffi et al., iCaRL, CVPR 2017, arXiv:1611.07725).
    weights: how often a class is drawn. "none": as many images as it has kept; "balanced": all alike; "loss": by the
        teacher's mean loss on what is kept of it, so that classes that are painted badly are seen more often, and a
        tenth of the mean of all classes at least: what is kept of a class is there to be seen.
    """
    if not 0 < share <= 1:
        raise ConfigError.at("--keep", f"should be a share in (0, 1], got {share}")
    losses, labels = F.cross_entropy(teacher.logits, images.labels, reduction="none"), images.labels
    rows: list[int] = []
    for label in sorted({*labels.tolist()}):
        own = (labels == label).nonzero()[:, 0]
        count = max(1, round(share * len(own)))
        rows += own[_order(score, own, count, losses, teacher, student)[:count]].tolist()
    rows.sort()
    shares = _weights(weights, labels[rows], losses[rows], teacher.logits.shape[1])
    finals = bool(images.final.all())
    return Selection(
        pool=digest, score=score, share=share, intermediate=not finals, rows=tuple(rows), weights=tuple(shares.tolist())
    )


def _order(score: Score, own: Tensor, count: int, losses: Tensor, teacher: Looked, student: Looked | None) -> Tensor:
    """Places in `own`, the best first; `count` of them at least."""
    if score == "teacher_loss":
        return losses[own].argsort(stable=True)
    if score == "herding":
        return herded(F.normalize(teacher.embeddings[own]), count)
    if student is None:
        raise ConfigError.at("--student", "the score student_gradient needs the weights of a student")
    gradient = student.logits[own].softmax(1) - teacher.logits[own].softmax(1)
    return gradient.square().sum(1).argsort(descending=True, stable=True)


def herded(points: Tensor, count: int) -> Tensor:
    """Rows of points (N, D) whose running mean follows that of all, greedily, (count,)."""
    mean, total = points.double().mean(0), torch.zeros(points.shape[1], dtype=torch.float64)
    free, chosen = torch.ones(len(points), dtype=torch.bool), []
    for k in range(1, count + 1):
        away = (mean - (total + points.double()) / k).square().sum(1)
        best = int(torch.where(free, away, torch.inf).argmin())
        free[best] = False
        total = total + points[best].double()
        chosen.append(best)
    return torch.tensor(chosen)


def _weights(how: Weights, labels: Tensor, losses: Tensor, classes: int) -> Tensor:
    """(K,) of sum 1; a class without images has none."""
    counts = torch.bincount(labels, minlength=classes).double()
    if how == "none":
        return counts / counts.sum()
    there = (counts > 0).double()
    means = torch.zeros(classes, dtype=torch.float64).index_add_(0, labels, losses.double()) / counts.clamp(min=1)
    floor = LEAST * means.sum() / there.sum()
    weights = there if how == "balanced" or not float(floor) else there * means.clamp(min=float(floor))
    return weights / weights.sum()
