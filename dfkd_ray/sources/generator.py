"""A network that turns noise into images and is trained against the teacher (and the student)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn

from dfkd_ray.nets.attention import SpatialAttention
from dfkd_ray.nets.generator import DeconvGenerator
from dfkd_ray.optimizers import Adam, Constant, LrSchedule, OptimizerSpec, lr_schedules, optimizers, set_lr
from dfkd_ray.signals import Setting
from dfkd_ray.slots import Batch, Judge, sources


@dataclass(frozen=True)
class Attention:
    """The spatial attention module in each block of the generator (DFKD-FGVC, arXiv:2404.12037, eqs. 4-6, Table 6).

    reduction: the "scaled scalar" r; not stated, 8 is a reconstruction (4 and 16 are worth trying).
    mix: lambda of eq. 6, 0.05 in the paper (0 to 0.09 in its Table 4); at 0 the module is skipped, like at
        `attention: null`, but its weights are still there.
    softmax: the axis is not stated. "spatial" over H*W and "channel" over C are literal readings, under which the
        module can hardly change its input (a factor in [1, 1+mix], mostly 1 + mix/(H*W)); "spatial_rescaled" is the
        spatial softmax times H*W, of mean 1: a reconstruction under which lambda matters.
    """

    reduction: int = 8
    mix: float = 0.05
    softmax: Literal["spatial", "channel", "spatial_rescaled"] = "spatial"

    def __post_init__(self) -> None:
        if self.reduction < 1:
            raise ValueError(f"reduction must be at least 1, got {self.reduction}")


@sources.register("generator")
@dataclass(frozen=True)
class Generator:
    """The four-block deconvolution generator with spectral normalisation (DFKD-FGVC, Table 6).

    latent: length of z ~ N(0, I); not stated in the paper, 256 is the habit of its relatives (reconstruction).
    width: channels of the last block, 64 in the paper.
    doublings: blocks, each of which doubles the side: 4 in the paper, for 224 pixels. At 32 pixels that starts from
        2x2; the relatives' generator for 32 pixels has 2, from 8x8.
    block_norm: BatchNorm in each block, as the relatives have it; Table 6 lists none.
    output: the range of the images. "tanh" feeds [-1, 1] to the teacher directly, as the first author's earlier code
        does (reconstruction); "normalised" maps tanh to [0, 1] and then through the task's mean and std, so that every
        picture is a picture; "batchnorm" is the relatives' head for 32 pixels (zero mean, unit variance a channel).
    optimizer: Adam 1e-3, betas (0.5, 0.99), section 5.1. Its schedule is not stated: constant (reconstruction).
    """

    latent: int = 256
    width: int = 64
    doublings: int = 4
    spectral_norm: bool = True
    block_norm: bool = False
    attention: Attention | None = field(default_factory=Attention)
    output: Literal["tanh", "normalised", "batchnorm"] = "tanh"
    optimizer: OptimizerSpec = field(default=Adam(lr=1e-3, betas=(0.5, 0.99)), metadata={"registry": optimizers})
    lr_schedule: LrSchedule = field(default=Constant(), metadata={"registry": lr_schedules})

    def __post_init__(self) -> None:
        for name in ("latent", "width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveGenerator:
        return LiveGenerator(self, setting, also, device)


class LiveGenerator:
    """The network and its optimiser, which also trains the parameters of the source loss (`also`), if it has any."""

    def __init__(self, spec: Generator, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> None:
        self.spec, self.device = spec, device
        a = spec.attention
        attention = a if a is None else partial(SpatialAttention, reduction=a.reduction, mix=a.mix, variant=a.softmax)
        self.net = DeconvGenerator(
            spec.latent,
            setting.image,
            width=spec.width,
            doublings=spec.doublings,
            attention=attention,
            spectral_norm=spec.spectral_norm,
            block_norm=spec.block_norm,
            output=spec.output,
            mean=setting.mean,
            std=setting.std,
        ).to(device)
        self.net.to(memory_format=torch.channels_last)
        self.optimizer = spec.optimizer.open([*self.net.parameters(), *also])

    def improve(
        self, batch: int, steps: int, judge: Judge, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        set_lr(self.optimizer, self.spec.optimizer.lr * self.spec.lr_schedule(progress))
        self.net.train()
        for _ in range(steps):
            loss, values = judge(self.net(self._noise(batch, rng)), None)
            self.optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            self.optimizer.step()
            yield values

    @torch.no_grad()
    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        self.net.train(training)
        return Batch(self.net(self._noise(batch, rng)), None)

    def state_dict(self) -> dict[str, Any]:
        return {"net": self.net.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        self.optimizer.load_state_dict(state["optimizer"])

    def _noise(self, batch: int, rng: torch.Generator) -> Tensor:
        return torch.randn(batch, self.spec.latent, generator=rng, device=self.device)
