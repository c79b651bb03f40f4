"""The generator of DFKD-FGVC."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Literal

from torch import nn

from dfkd_ray.nets.attention import SpatialAttention
from dfkd_ray.nets.generator import DeconvGenerator
from dfkd_ray.nets.heads import Output
from dfkd_ray.parts.optimizers import Adam, OptimizerSpec, optimizers
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import sources
from dfkd_ray.parts.sources.conditions import Norms
from dfkd_ray.parts.sources.trained import Trained


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
@dataclass(frozen=True, kw_only=True)
class Generator(Trained):
    """The four-block deconvolution generator with spectral normalisation (DFKD-FGVC, Table 6).

    latent: length of z ~ N(0, I); not stated in the paper, 256 is the habit of its relatives (reconstruction).
    width: channels of the last block, 64 in the paper.
    doublings: blocks, each of which doubles the side: 4 in the paper, for 224 pixels. At 32 pixels that starts from
        2x2; the relatives' generator for 32 pixels has 2, from 8x8.
    block_norm: BatchNorm in each block, as the relatives have it; Table 6 lists none.
    output: the range of the images. "tanh" feeds [-1, 1] to the teacher directly, as the first author's earlier code
        does (reconstruction); for the others see `nets.heads`.
    optimizer: Adam 1e-3, betas (0.5, 0.99), section 5.1. Its schedule is not stated: constant (reconstruction).
    """

    width: int = 64
    doublings: int = 4
    spectral_norm: bool = True
    block_norm: bool = False
    attention: Attention | None = field(default_factory=Attention)
    output: Output = "tanh"
    optimizer: OptimizerSpec = field(default=Adam(lr=1e-3, betas=(0.5, 0.99)), metadata={"registry": optimizers})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.width < 1:
            raise ValueError(f"width must be at least 1, got {self.width}")
        if isinstance(self.condition, Norms) and not self.block_norm:
            raise ValueError("condition cbn stands in the place of BatchNorm: it needs block_norm true")

    def build(self, setting: Setting) -> nn.Module:
        a = self.attention
        attention = a if a is None else partial(SpatialAttention, reduction=a.reduction, mix=a.mix, variant=a.softmax)
        return DeconvGenerator(
            self.latent,
            self.image(setting),
            width=self.width,
            doublings=self.doublings,
            attention=attention,
            spectral_norm=self.spectral_norm,
            block_norm=self.block_norm,
            output=self.output,
            mean=setting.mean,
            std=setting.std,
            condition=self.conditioner(setting),
        )
