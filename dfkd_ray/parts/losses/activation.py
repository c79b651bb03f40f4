"""Strong features: images that excite the teacher's last layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY


@terms.register("activation")
@dataclass(frozen=True)
class Activation:
    """L = -mean |e|, with e (B, D) the teacher's embedding, the input of its last linear layer.

    The activation loss of Chen et al., "Data-Free Learning of Student Networks" (DAFL), ICCV 2019, arXiv 1904.01186;
    the mean over B and D is that of its code.
    """

    targets: ClassVar = EVERY

    def __call__(self, signals: Signals) -> Tensor:
        return -signals.teacher.embedding.abs().mean()
