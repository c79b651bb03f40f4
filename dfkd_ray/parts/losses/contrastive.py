"""Diverse images: each is unlike all others, past ones included."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets import channels_last
from dfkd_ray.nets.precision import product
from dfkd_ray.parts.losses.checks import one_of, positive
from dfkd_ray.parts.losses.semantic_contrast import mlp
from dfkd_ray.parts.signals import Pass, Setting, Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.errors import ConfigError

Where = Literal["norms", "stages"]


@terms.register("contrastive")
@dataclass(frozen=True)
class Contrastive:
    """L = mean_new l_i + mean_past l_i, with l_i = -log( exp(u_i . v_i / tau) / sum_k exp(u_i . v_k / tau) ).

    The contrast of model inversion of Fang et al., "Contrastive Model Inversion for Data-Free Knowledge Distillation"
    (CMI), IJCAI 2021, arXiv 2105.08584, as in its code. u_i and v_i (dim) are two views of an image: a local one, a
    random 25 % to 100 % of it, enlarged and mirrored at random, and a global one, the image that the networks see.
    Both are projections, scaled to length 1, of the teacher's features: the mean over space of what enters each of its
    BatchNorm layers. v is a constant, so the images change through their local views alone. i and k run over the new
    images, those of the batch, and over past ones; before the first round's end there are none, and their mean is 0.

    The projection is an MLP, linear - ReLU - linear, trained with the source. At the end of a round the features of
    both views of its last batch enter a bank (of its best batch in the code), in half precision, the oldest leave.
    Reconstruction: the local view is cut out of the global one, where the code cuts out both of the source's image.

    where: "norms", or "stages": the output of each stage of the teacher instead (the code takes what enters those of
        ResNet-34).
    temperature: tau, 0.1 or 0.2 in the scripts.
    dim: length of u and v. The inner width of the MLP is that of the features.
    bank: images whose features are kept at most.
    negatives: how many of them, drawn anew in each step, stand beside the batch.
    """

    where: Where = "norms"
    temperature: float = 0.1
    dim: int = 256
    bank: int = 40960
    negatives: int = 4096

    def __post_init__(self) -> None:
        one_of(Where, where=self.where)
        positive(temperature=self.temperature, dim=self.dim, bank=self.bank, negatives=self.negatives)

    def open(self, setting: Setting) -> LiveContrastive:
        return LiveContrastive(self, setting)


class LiveContrastive(nn.Module):
    """A Contrastive with its projection and its bank (N, 2 F): local features, then global ones, the oldest first."""

    bank: Tensor

    def __init__(self, spec: Contrastive, setting: Setting) -> None:
        super().__init__()
        self.spec = spec
        teacher = setting.teacher
        length = sum(teacher.norms) if spec.where == "norms" else sum(stage[0] for stage in teacher.stages)
        if not length:
            raise ConfigError.at("where", "the teacher has no BatchNorm layer: take its stages, with where: stages")
        self.project = mlp(length, spec.dim, layers=2)
        self.register_buffer("bank", torch.zeros(0, 2 * length, dtype=torch.float16))
        self.newest: Tensor | None = None

    def forward(self, signals: Signals) -> Tensor:
        views = (signals.teacher.on(zoomed(signals.images)), signals.teacher)
        features = torch.cat([signals.ranks.whole(self._features(view)) for view in views], dim=1)
        self.newest = features.detach()
        chosen = torch.randperm(len(self.bank), device=features.device)[: self.spec.negatives]
        local, whole = torch.cat([features, self.bank[chosen].to(features.dtype)]).chunk(2, dim=1)
        u, v = F.normalize(self.project(local)), F.normalize(self.project(whole).detach())
        similarity = product(u, v.T) / self.spec.temperature
        losses = F.cross_entropy(similarity, torch.arange(len(u), device=u.device), reduction="none")
        new, past = losses[: len(features)], losses[len(features) :]
        total: Tensor = new.mean() + past.mean() if len(past) else new.mean()
        return total

    def settle(self) -> None:
        """The features of the round's last batch enter the bank."""
        if self.newest is None:
            return
        new = self.newest[-self.spec.bank :]
        old = self.bank[max(0, len(self.bank) + len(new) - self.spec.bank) :]
        self.bank = old.new_empty(len(old) + len(new), old.shape[1])  # autocast to bfloat16 cannot join halves
        self.bank[: len(old)], self.bank[len(old) :] = old, new
        self.newest = None

    def _features(self, seen: Pass) -> Tensor:
        """(b, F)."""
        maps = [norm.input for norm in seen.norms] if self.spec.where == "norms" else seen.stages
        single = torch.promote_types(maps[0].dtype, torch.float32)
        return torch.cat([channels_last.mean(x, single) for x in maps], dim=1)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """The bank is as long as it was when the state was taken."""
        self.bank = self.bank.new_zeros(state_dict[f"{prefix}bank"].shape)
        super()._load_from_state_dict(state_dict, prefix, *args)


def zoomed(images: Tensor) -> Tensor:
    """Of each image (B, C, H, W) a part at its old size, bilinear, mirrored or not: torch's own numbers say which.

    A quarter to all of the area, with sides in a ratio of 3/4 to 4/3, as `RandomResizedCrop` of torchvision draws them;
    a side that would be longer than the image's is cut to it. Differentiable.
    """
    count, _, height, width = images.shape
    area, ratio, top, left, mirrored = torch.rand(5, count, device=images.device)
    area, ratio = 0.25 + 0.75 * area, ((2 * ratio - 1) * math.log(4 / 3)).exp()
    tall, wide = ((area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1))
    rows, columns = _sampling(height, tall, top * (1 - tall)), _sampling(width, wide, left * (1 - wide))
    columns = torch.where(mirrored[:, None, None] < 0.5, columns.flip(1), columns)
    return torch.einsum("bih,bchw,bjw->bcij", rows, images, columns)


def _sampling(size: int, share: Tensor, start: Tensor) -> Tensor:
    """Weights (B, size, size) of the old pixels in each new one, if [start, start + share) of [0, 1) fills the side."""
    pixels = torch.arange(size, device=share.device)
    places = (start[:, None] + share[:, None] * (pixels + 0.5) / size) * size - 0.5
    places = places.clamp(0, size - 1)
    return (1 - (places[:, :, None] - pixels).abs()).clamp(min=0)
