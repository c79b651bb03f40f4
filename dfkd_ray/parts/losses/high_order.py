"""MHAD: imitation of features through mixed high-order attention."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dfkd_ray.nets import channels_last
from dfkd_ray.nets.attention import Activation, HighOrderAttention
from dfkd_ray.parts.losses.checks import one_of
from dfkd_ray.parts.losses.feature_mse import Pairs, Reduce, Where, channels, pointwise, reduced, resolve_where
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.parts.total_loss import terms

Trained = Literal["student", "shared_frozen", "shared_joint"]
Compare = Literal["features", "map"]


@terms.register("high_order")
@dataclass(frozen=True)
class HighOrder:
    """L = sum_j MSE(A_t(F_j^t) . F_j^t, A_s(W_j F_j^s) . W_j F_j^s) over the places j, each a mean over all elements.

    Mixed-high-order attention distillation of DFKD-FGVC: Shao et al., ICCV 2023, arXiv 2404.12037, section 4.2 and
    eq. 7. A (B, C_j, H_j, W_j) in (0, 1) is the gate of `nets.attention.HighOrderAttention` (Chen et al., ICCV 2019,
    arXiv 1908.05819), F_j^t the teacher's features, detached. W_j is the identity, or a 1x1 convolution from the
    student's to the teacher's channels where these differ (stated in the paper); where sizes differ, both are averaged
    to the smaller (reconstruction). Attention and W are used in training only; the student itself stays as it is.

    order: R, routes of 1 to R multiplied factors; the paper tries 1, 2 and 3 and takes 3.
    activation: how the routes become A, "mean_sigmoid" (MHN's code) or "sigmoid_sum"; not named in the paper.
    trained: who trains the attention, which the paper does not state. "student" (reconstruction): the teacher's is
        frozen as initialised, the student's is trained with the student. "shared_frozen": one for both, frozen.
        "shared_joint": one for both, trained; A = 0 is then a minimum, see the gauges.
    compare: "features" compares A . F, the "final attention maps" of the text; "map" compares A.
    reduce: "sum" or "mean" over the places; the paper does not say which, "sum" is a reconstruction.
    where: "auto" is "stages" for networks of the same kind and "embedding" for others, as in section 5.2 for WRN-40-2
        and MobileNetV2 under a ResNet-34: (B, D) taken as (B, D, 1, 1), with an MLP from the student's length to the
        teacher's in place of W. Of one kind are nets of one class, such as ResNet, with as many stages
        (reconstruction). The MLP: see `perceptron`.
    """

    order: int = 3
    activation: Activation = "mean_sigmoid"
    trained: Trained = "student"
    compare: Compare = "features"
    reduce: Reduce = "sum"
    where: Where = "auto"

    def __post_init__(self) -> None:
        if self.order not in (1, 2, 3, 4):
            raise ValueError(f"order must be 1, 2, 3 or 4, got {self.order}")
        one_of(Activation, activation=self.activation)
        one_of(Trained, trained=self.trained)
        one_of(Compare, compare=self.compare)
        one_of(Reduce, reduce=self.reduce)
        one_of(Where, where=self.where)

    def open(self, setting: Setting) -> LiveHighOrder:
        return LiveHighOrder(self, setting)


class LiveHighOrder(nn.Module):
    """A HighOrder with its attention modules and adapters.

    gauges: of the last call, detached scalars: the mean of A on either side. 0 is the collapse, 0.5 the start.
    """

    def __init__(self, spec: HighOrder, setting: Setting) -> None:
        super().__init__()
        self.spec = spec
        where = resolve_where(setting, spec.where)
        self.pairs = Pairs(setting, where, pointwise if where == "stages" else perceptron)
        widths = channels(setting.teacher, where)
        self.attention = self._modules_for(widths, frozen=spec.trained == "shared_frozen")
        # None where both sides share one, so that no tensor stands twice in a checkpoint
        self.target = self._modules_for(widths, frozen=True) if spec.trained == "student" else None
        self.gauges: dict[str, Tensor] = {}

    def _modules_for(self, widths: tuple[int, ...], frozen: bool) -> nn.ModuleList:
        modules = (HighOrderAttention(width, self.spec.order, self.spec.activation) for width in widths)
        return nn.ModuleList(modules).requires_grad_(not frozen)

    def forward(self, signals: Signals) -> Tensor:
        target = self.attention if self.target is None else self.target
        losses, means = [], []
        for (t, s), attend_t, attend_s in zip(self.pairs(signals), target, self.attention):
            map_t, map_s = attend_t(t), attend_s(s)
            means.append(torch.stack([map_t.detach().mean(), map_s.detach().mean()]))
            both = (map_t, map_s) if self.spec.compare == "map" else (map_t * t, map_s * s)
            losses.append(channels_last.mse(both[1], both[0]))
        teacher, student = signals.ranks.mean(torch.stack(means).mean(0))
        self.gauges = {"attention_teacher": teacher, "attention_student": student}
        return signals.ranks.mean(reduced(losses, self.spec.reduce))


def perceptron(inputs: int, outputs: int) -> nn.Module:
    """The MLP of DFKD-FGVC, section 5.2, from a student's embedding to its teacher's: (B, inputs, 1, 1) -> (B, outputs,
    1, 1).

    The paper says "two hidden layers": read as linear - ReLU - linear, as for `semantic_contrast`. The inner width,
    `outputs`, and that nothing is normalised are reconstructions.
    """
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1), nn.ReLU(), nn.Conv2d(outputs, outputs, 1))
