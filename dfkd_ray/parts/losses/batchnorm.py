"""The BatchNorm prior: images whose activations have the statistics of the data that nobody has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from dfkd_ray.nets.fusing import computed
from dfkd_ray.nets.sharing import Ranks
from dfkd_ray.parts.losses.checks import positive
from dfkd_ray.parts.signals import Setting, Signals, distance, running, statistics
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY
from dfkd_ray.util.errors import ConfigError


@terms.register("batchnorm")
@dataclass(frozen=True)
class BatchNorm:
    """L = sum_l ||mean_l(x) - mean_l||_2 + ||var_l(x) - var_l||_2 over the teacher's BatchNorm layers l.

    Eq. 3 of DFKD-FGVC (arXiv 2404.12037); Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via
    DeepInversion", CVPR 2020, arXiv 1912.08795. mean_l and var_l (C_l,) are the running statistics, mean_l(x) and
    var_l(x) those of the layer's input (B, C_l, H, W) over batch and space, with the biased variance. The norms are not
    squared, and the sum grows with the depth: a weight does not carry over from one teacher to another.

    first_factor: what the first layer counts; 1 in eq. 3, 10 in DeepInversion's ImageNet runs, 5 in DFQ.
    momentum: m of the code of FastDFKD (Fang et al., AAAI 2022, arXiv 2112.06253): the statistics of a batch count
        (1 - m), those of past rounds m, so that all rounds together have the teacher's statistics and no single batch
        needs to. At the end of a round those of its last batch b join the past: p <- m p + (1 - m) b, the first p is b;
        before it, and at 0, the batch counts alone.
    """

    targets: ClassVar = EVERY

    first_factor: float = 1.0
    momentum: float = 0.0

    def __post_init__(self) -> None:
        positive(first_factor=self.first_factor)
        if not 0 <= self.momentum < 1:
            raise ValueError(f"momentum must be in [0, 1), got {self.momentum}")

    def open(self, setting: Setting) -> LiveBatchNorm:
        if not setting.teacher.norms:
            why = f"the teacher ({setting.teacher.kind}) has no BatchNorm layer, so there is no BN prior"
            raise ConfigError.at("", f"{why}: set this path to null")
        return LiveBatchNorm(self, setting.teacher.norms)


class LiveBatchNorm(nn.Module):
    """A BatchNorm prior and what it remembers of past rounds: nothing where its momentum is 0.

    gauges: the number of layers in the sum.
    """

    share: Tensor
    past: Tensor

    def __init__(self, spec: BatchNorm, channels: tuple[int, ...]) -> None:
        super().__init__()
        self.spec, self.channels = spec, channels
        self.register_buffer("layers", torch.tensor(float(len(channels))), persistent=False)
        if spec.momentum:
            self.register_buffer("share", torch.zeros(()))  # of the past in the blend: 0 before the first round's end
            self.register_buffer("past", torch.zeros(2, sum(channels)))  # means and variances, all layers in a row
        self.last: Tensor | None = None  # the same of the round's last batch

    @property
    def gauges(self) -> dict[str, Tensor]:
        return {"layers": self.get_buffer("layers")}

    def forward(self, signals: Signals) -> Tensor:
        norms = signals.teacher.norms
        kept = [tensor for norm in norms for tensor in running(norm.layer)]
        past = [self.share, self.past] if self.spec.momentum else []
        call = Deviations(len(norms), self.spec.first_factor, signals.ranks)
        found: list[Tensor] = computed(call, *(norm.input for norm in norms), *kept, *past)
        self.last = found[1].detach() if past else None
        return found[0]

    @torch.no_grad()
    def settle(self) -> None:
        """The statistics of the round's last batch join those of the past."""
        if self.last is None:
            return
        self.past.mul_(self.share).add_(self.last * (1 - self.share))
        self.share.fill_(self.spec.momentum)
        self.last = None


@dataclass(frozen=True)
class Deviations:
    """The sum over so many layers, a function of their inputs, of their running means and variances, layer by layer,
    and where there is a past, of its share and itself. Gives the sum, and then also the batch's own statistics."""

    layers: int
    first_factor: float
    ranks: Ranks

    def __call__(self, *given: Tensor) -> list[Tensor]:
        inputs, kept, past = given[: self.layers], given[self.layers : 3 * self.layers], given[3 * self.layers :]
        seen = [statistics(x, self.ranks) for x in inputs]
        own = []
        if past:
            share, before = past
            means, variances = zip(*seen)
            own = [torch.stack([torch.cat(means), torch.cat(variances)])]
            split = torch.split(before, [len(mean) for mean in means], dim=1)
            seen = [(m + share * (p[0] - m), v + share * (p[1] - v)) for (m, v), p in zip(seen, split)]
        first, *rest = (distance(*each, *kept[2 * n : 2 * n + 2]) for n, each in enumerate(seen))
        return [torch.stack([self.first_factor * first, *rest]).sum(), *own]
