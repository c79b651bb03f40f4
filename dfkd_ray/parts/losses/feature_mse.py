"""Plain imitation of features: the control for every cleverer way of comparing them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets import channels_last
from dfkd_ray.parts.losses.checks import one_of
from dfkd_ray.parts.signals import Layout, Pass, Setting, Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.words import counted

Place = Literal["stages", "embedding"]
Where = Literal["auto", "stages", "embedding"]
Reduce = Literal["sum", "mean"]
Bridge = Callable[[int, int], nn.Module]


@terms.register("feature_mse")
@dataclass(frozen=True)
class FeatureMSE:
    """L = sum_j MSE(F_j^t, W_j * F_j^s) over the places j, the mean of each MSE over B, C_j, H_j, W_j.

    Romero et al., "FitNets", ICLR 2015, arXiv 1412.6550, at every place. It is the MHAD of DFKD-FGVC (`high_order`,
    eq. 7 of arXiv 2404.12037) without the attention: a control that the paper does not report. The teacher's features
    are detached. Where channels differ, W_j is a 1x1 convolution from the student's to the teacher's, trained with the
    student (DFKD-FGVC, section 4.2); where sizes differ, both are averaged to the smaller (reconstruction).

    where: "stages" compares (B, C_j, H_j, W_j) at the end of each stage, "embedding" the (B, D) before the last layer,
        "auto" stages for networks of one kind alone, see `high_order`.
    reduce: "sum" or "mean" over the places; the paper does not say which, "sum" is a reconstruction.
    """

    targets: ClassVar = EVERY

    where: Where = "stages"
    reduce: Reduce = "sum"

    def __post_init__(self) -> None:
        one_of(Where, where=self.where)
        one_of(Reduce, reduce=self.reduce)

    def open(self, setting: Setting) -> LiveFeatureMSE:
        return LiveFeatureMSE(self, Pairs(setting, resolve_where(setting, self.where), pointwise))


class LiveFeatureMSE(nn.Module):
    """A FeatureMSE with its adapters."""

    def __init__(self, spec: FeatureMSE, pairs: Pairs) -> None:
        super().__init__()
        self.spec, self.pairs = spec, pairs

    def forward(self, signals: Signals) -> Tensor:
        values = [channels_last.mse(s, t) for t, s in self.pairs(signals)]
        return signals.ranks.mean(reduced(values, self.spec.reduce))


class Pairs(nn.Module):
    """The features of teacher and student, place by place, with the same shape. ConfigError if they have no pairs.

    `bridge(C_s, C_t)` makes the layer that takes the student's channels to the teacher's, where these differ.
    """

    def __init__(self, setting: Setting, where: Place, bridge: Bridge) -> None:
        super().__init__()
        teacher, student = (channels(net, where) for net in (setting.teacher, setting.student))
        if len(teacher) != len(student) or not teacher:
            counts = f"the teacher has {counted(len(teacher), 'stage')}, the student {len(student)}"
            raise ConfigError.at("where", f"{counts}: compare them with where: embedding")
        self.where = where
        self.bridges = nn.ModuleList(nn.Identity() if t == s else bridge(s, t) for t, s in zip(teacher, student))

    def forward(self, signals: Signals) -> list[tuple[Tensor, Tensor]]:
        """(teacher's, detached; student's), each (B, C_j, H_j, W_j); an embedding is (B, D, 1, 1)."""
        teacher, student = (features(seen, self.where) for seen in (signals.teacher, signals.student))
        # Averaged before the bridge: the same result as after a 1x1 convolution, for less work.
        met = (meet(t.detach(), s) for t, s in zip(teacher, student))
        return [(t, bridge(s)) for bridge, (t, s) in zip(self.bridges, met)]


def resolve_where(setting: Setting, where: Where) -> Place:
    """Where to compare: "auto" is the stages of networks of one kind that have as many, and else the embedding."""
    teacher, student = setting.teacher, setting.student
    if where != "auto":
        return where
    alike = teacher.kind == student.kind and len(teacher.stages) == len(student.stages)
    return "stages" if alike and teacher.stages else "embedding"


def channels(net: Layout, where: Place) -> tuple[int, ...]:
    """The number of channels at each place."""
    return tuple(shape[0] for shape in net.stages) if where == "stages" else (net.embedding,)


def features(seen: Pass, where: Place) -> tuple[Tensor, ...]:
    """The features at each place, (B, C_j, H_j, W_j); the embedding as (B, D, 1, 1)."""
    return seen.stages if where == "stages" else (seen.embedding[:, :, None, None],)


def meet(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both (B, C, H, W), averaged to the smaller H and the smaller W where these differ."""
    size = (min(first.shape[2], second.shape[2]), min(first.shape[3], second.shape[3]))
    one, other = (x if x.shape[2:] == size else F.adaptive_avg_pool2d(x, size) for x in (first, second))
    return one, other


def pointwise(inputs: int, outputs: int) -> nn.Module:
    """A 1x1 convolution."""
    return nn.Conv2d(inputs, outputs, 1)


def reduced(values: list[Tensor], how: Reduce) -> Tensor:
    """The sum or the mean of scalars."""
    stacked = torch.stack(values)
    return stacked.sum() if how == "sum" else stacked.mean()
