"""The published way to write the networks: what `naive` trains, with the weights of ours."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.attention import HighOrderAttention, SpatialAttention
from dfkd_ray.nets.generator import DeconvGenerator
from dfkd_ray.nets.taps import taps_of
from dfkd_ray.nets.upsampling import UpsamplingGenerator
from dfkd_ray.parts.signals import Setting


class Watched:
    """A network with hooks that never leave: stages, embedding, and what DeepInversion takes of each BatchNorm."""

    def __init__(self, net: nn.Module, statistics: bool = False) -> None:
        self.net = copy.deepcopy(net).requires_grad_(True).to(memory_format=torch.contiguous_format)
        self.stages: list[Tensor] = []
        self.norms: list[tuple[nn.Module, Tensor, Tensor]] = []
        self.means: list[Tensor] = []  # over space, of what enters each BatchNorm
        self.embedding = torch.empty(0)
        taps = taps_of(self.net)
        for name in taps.stages:
            self.net.get_submodule(name).register_forward_hook(lambda m, args, out: self.stages.append(out))
        self.net.get_submodule(taps.head).register_forward_pre_hook(self._keep_embedding)
        for module in self.net.modules() if statistics else ():
            if isinstance(module, nn.BatchNorm2d):
                module.register_forward_hook(self._keep_statistics)

    def __call__(self, images: Tensor) -> Tensor:
        self.stages, self.norms, self.means = [], [], []
        logits: Tensor = self.net(images)
        return logits

    def _keep_embedding(self, module: nn.Module, args: Any) -> None:
        self.embedding = args[0]

    def _keep_statistics(self, module: nn.Module, args: Any, output: Any) -> None:
        x = args[0]
        rows = x.permute(1, 0, 2, 3).contiguous().view(x.shape[1], -1)
        self.norms.append((module, x.mean([0, 2, 3]), rows.var(1, unbiased=False)))
        self.means.append(x.mean([2, 3]))


class Published(nn.Module):
    """The generator of the codes of DAFL, DFAD, CMI, FastDFKD and SpaceshipNet: upsample, convolve, normalise."""

    def __init__(self, ours: UpsamplingGenerator, spec: Any, setting: Setting) -> None:
        super().__init__()
        self.start, channels, wide = ours.start, setting.image[0], 2 * spec.width
        self.l1 = nn.Linear(spec.latent, self.start[0] * self.start[1] * self.start[2])
        self.first = nn.BatchNorm2d(self.start[0])
        widths = [self.start[0], *[wide] * (spec.doublings - 1), spec.width]
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Upsample(scale_factor=2),
                nn.Conv2d(inputs, outputs, 3, stride=1, padding=1),
                nn.BatchNorm2d(outputs, spec.block_eps),
                nn.LeakyReLU(0.2, inplace=True),
            )
            for inputs, outputs in pairwise(widths)
        )
        self.last = nn.Conv2d(spec.width, channels, 3, stride=1, padding=1)
        self.range = nn.Sequential(nn.Sigmoid(), Normalised(setting))
        if spec.output == "batchnorm":
            self.range = nn.Sequential(nn.Tanh(), nn.BatchNorm2d(channels, affine=False))
        own, theirs = list(self.parameters()), list(ours.parameters())
        assert [each.shape for each in own] == [each.shape for each in theirs], "not the published generator"
        for mine, weight in zip(own, theirs):
            mine.data.copy_(weight.data)
        self.to(theirs[0].device)

    def maps(self, z: Tensor) -> list[Tensor]:
        found = [self.first(self.l1(z).view(len(z), *self.start))]
        for block in self.blocks:
            found.append(block(found[-1]))
        return found

    def decode(self, x: Tensor, depth: int) -> Tensor:
        for block in list(self.blocks)[depth:]:
            x = block(x)
        images: Tensor = self.range(self.last(x))
        return images

    def forward(self, z: Tensor) -> Tensor:
        return self.decode(self.maps(z)[-1], len(self.blocks))


class Normalised(nn.Module):
    """[0, 1] to the teacher's input, and back."""

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(setting.mean).view(1, -1, 1, 1))
        self.register_buffer("std", torch.tensor(setting.std).view(1, -1, 1, 1))

    def forward(self, x: Tensor, back: bool = False) -> Tensor:
        return x * self.std + self.mean if back else (x - self.mean) / self.std


class Plain(SpatialAttention):
    """Eqs. 4 to 6 of DFKD-FGVC, as they stand there."""

    def forward(self, features: Tensor) -> Tensor:
        scores = self.expand(self.refine(self.unpooled(self.reduce(features))))
        p = F.softmax(scores.flatten(2), dim=2).view_as(scores)
        if self.variant == "spatial_rescaled":
            p = p * scores.shape[2] * scores.shape[3]
        return features + self.mix * (p * features)

    def unpooled(self, x: Tensor) -> Tensor:
        encoded = self.encode(x)
        pooled, indices = self.pool(encoded)
        return self.unpool(self.decode(self.middle(pooled)), indices, output_size=encoded.shape[-2:])


def generator(ours: nn.Module, spec: Any, setting: Setting) -> nn.Module:
    """The published generator with the weights of ours; DFKD-FGVC's has no code, so its attention alone differs."""
    if isinstance(ours, UpsamplingGenerator):
        return Published(ours, spec, setting)
    assert isinstance(ours, DeconvGenerator)
    net = copy.deepcopy(ours).to(memory_format=torch.contiguous_format)
    for module in net.modules():
        if isinstance(module, SpatialAttention):
            module.__class__ = Plain
    return net


class Orders(nn.Module):
    """Mixed high-order attention as in the code of MHN: a convolution for each factor, route by route."""

    def __init__(self, ours: HighOrderAttention) -> None:
        super().__init__()
        factors = iter(ours.reduce.weight.detach().split(ours.inner))
        self.routes = nn.ModuleList()
        for rank in range(1, ours.order + 1):
            last = ours.expand[rank - 1].weight.detach()
            self.routes.append(
                nn.ModuleList(_pointwise(weight) for weight in [*(next(factors) for _ in range(rank)), last])
            )

    def forward(self, x: Tensor) -> Tensor:
        gates = 0
        for *factors, last in self.routes:
            product = factors[0](x)
            for factor in factors[1:]:
                product = product * factor(x)
            gates = gates + torch.sigmoid(last(F.relu(product)))
        return gates / len(self.routes)


def _pointwise(weight: Tensor) -> nn.Conv2d:
    outputs, inputs = weight.shape[:2]
    conv = nn.Conv2d(inputs, outputs, 1, bias=False).to(weight.device)
    conv.weight.data.copy_(weight)
    return conv
