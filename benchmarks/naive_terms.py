"""The loss terms as the published codes write them, by the names of ours."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from naive_nets import Orders, Watched
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.taps import taps_of
from dfkd_ray.train.run import Run


def kl(teacher: Tensor, student: Tensor, temperature: float) -> Tensor:
    """Of each image, times T^2."""
    p, log_q = F.softmax(teacher / temperature, dim=1), F.log_softmax(student / temperature, dim=1)
    return F.kl_div(log_q, p, reduction="none").sum(1) * temperature**2


class Terms:
    """Both phases' terms of a run, with copies of whatever they learn or remember.

    A batch is a namespace: images, labels, teacher and student (`Watched`, after their pass), their logits t and s.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.past, self.share, self.bank = run, [], 0.0, None
        source, student = run.source_loss.calls, run.student_loss.calls
        self.project = _copied(source, "contrastive", "project")
        self.match = _copied(student, "semantic_contrast", "project")
        self.orders = nn.ModuleList()
        if "high_order" in student:
            ours = student["high_order"]
            frozen = (Orders(each).requires_grad_(False) for each in ours.target)
            self.orders = nn.ModuleList([nn.ModuleList(frozen), nn.ModuleList(Orders(each) for each in ours.attention)])
        if "contrastive" in source:
            self.bank = source["contrastive"].bank.clone()

    def total(self, phase: str, batch: SimpleNamespace) -> Tensor:
        parts = getattr(self.run.method, f"{phase}_loss").parts
        made: list[Callable[..., Tensor]] = [
            getattr(self, f"{phase}_{name}", None) or getattr(self, name) for name in parts
        ]
        return sum((part.weight * make(batch, part.term) for part, make in zip(parts.values(), made)), torch.zeros(()))

    def settle(self, batch: SimpleNamespace) -> None:
        """The end of a source's round."""
        parts = self.run.method.source_loss.parts
        if "batchnorm" in parts and (m := parts["batchnorm"].term.momentum):
            now = [(mean.detach(), var.detach()) for _, mean, var in batch.teacher.norms]
            if self.past:
                now = [(m * p[0] + (1 - m) * n[0], m * p[1] + (1 - m) * n[1]) for p, n in zip(self.past, now)]
            self.past, self.share = now, m
        if self.bank is not None:
            self.bank = torch.cat([self.bank, batch.features.detach().half()])[-parts["contrastive"].term.bank :]

    def batchnorm(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        losses = []
        for number, (layer, mean, var) in enumerate(batch.teacher.norms):
            if self.past:
                mean = self.share * self.past[number][0] + (1 - self.share) * mean
                var = self.share * self.past[number][1] + (1 - self.share) * var
            losses.append(torch.norm(layer.running_var - var, 2) + torch.norm(layer.running_mean - mean, 2))
        return sum(losses[1:], spec.first_factor * losses[0])

    def adversarial(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        if spec.divergence == "l1":
            return -F.l1_loss(batch.t, batch.s)
        distance = kl(batch.t, batch.s, spec.temperature)
        if spec.agreeing_only:
            distance = distance * (batch.t.max(1)[1] == batch.s.max(1)[1]).to(distance.dtype)
        return -distance.mean()

    def onehot(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        return F.cross_entropy(batch.t, batch.labels if spec.target == "labels" else batch.t.max(1)[1])

    def entropy(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        p = F.softmax(batch.t, dim=1).mean(0)
        return (p * torch.log(p)).sum()

    def activation(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        return -batch.teacher.embedding.abs().mean()

    def contrastive(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        whole = torch.cat(batch.teacher.means, dim=1)
        norms = batch.teacher.norms
        batch.teacher(local_view(batch.images))
        local = torch.cat(batch.teacher.means, dim=1)
        batch.teacher.norms, batch.features = norms, torch.cat([local, whole], dim=1)
        chosen = torch.randperm(len(self.bank), device=whole.device)[: spec.negatives]
        old_local, old_whole = self.bank[chosen].to(whole.dtype).chunk(2, dim=1)
        u = F.normalize(self.project(torch.cat([local, old_local])))
        v = F.normalize(self.project(torch.cat([whole, old_whole]))).detach()
        losses = F.cross_entropy(u @ v.T / spec.temperature, torch.arange(len(u), device=u.device), reduction="none")
        return losses[: len(whole)].mean() + losses[len(whole) :].mean()

    def kd(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        return kl(batch.t.detach(), batch.s, spec.temperature).mean()

    def logit_l1(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        return F.l1_loss(batch.s, batch.t.detach())

    def high_order(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        losses = []
        for t, s, of_t, of_s in zip(batch.teacher.stages, batch.student.stages, *self.orders):
            losses.append(F.mse_loss(of_s(s) * s, of_t(t.detach()) * t.detach()))
        return sum(losses[1:], losses[0])

    def semantic_contrast(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        count = len(batch.images)
        views = torch.cat([self.match(batch.teacher.embedding.detach()), self.match(batch.student.embedding)])
        views = F.normalize(views)
        similar = torch.exp(views @ views.T / spec.temperature)
        others = similar.sum(1) - similar.diagonal()
        positive = torch.cat([similar.diagonal(count), similar.diagonal(-count)])
        return -torch.log(positive / others).mean()

    def cam(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        maps = [
            F.conv2d(seen.stages[-1], _head(seen).weight.detach()[:, :, None, None])
            for seen in (batch.teacher, batch.student)
        ]
        return F.mse_loss(maps[1], maps[0].detach())

    def grad_cam(self, batch: SimpleNamespace, spec: Any) -> Tensor:
        """As published: all of the weights' gradients are computed on the way, and thrown away."""
        classes = batch.t.max(1)[1]
        maps = []
        for seen, logits in ((batch.teacher, batch.t), (batch.student, batch.s)):
            for stage in seen.stages:
                stage.retain_grad()
            logits.gather(1, classes[:, None]).sum().backward(retain_graph=True)
            maps.append([(stage.grad.mean([2, 3], keepdim=True) * stage).sum(1) for stage in seen.stages])
            for stage in seen.stages:
                stage.grad = None
            seen.net.zero_grad()
        losses = [F.mse_loss(s, t.detach()) for t, s in zip(*maps)]
        return sum(losses[1:], losses[0])


def local_view(images: Tensor) -> Tensor:
    """A part of each image at its old size, mirrored or not, sampled as kornia does it."""
    count = len(images)
    area, ratio, top, left, mirrored = torch.rand(5, count, device=images.device)
    area, ratio = 0.25 + 0.75 * area, ((2 * ratio - 1) * math.log(4 / 3)).exp()
    tall, wide = (area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1)
    zero, sign = torch.zeros_like(wide), torch.where(mirrored < 0.5, -1.0, 1.0).to(wide.dtype)
    across = torch.stack([sign * wide, zero, 2 * left * (1 - wide) + wide - 1], 1)
    down = torch.stack([zero, tall, 2 * top * (1 - tall) + tall - 1], 1)
    grid = F.affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _head(seen: Watched) -> nn.Linear:
    return seen.net.get_submodule(taps_of(seen.net).head)  # type: ignore[return-value]


def _copied(calls: Any, term: str, part: str) -> nn.Module | None:
    return copy.deepcopy(getattr(calls[term], part)) if term in calls else None
