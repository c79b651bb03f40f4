"""Class balance: a batch of images that spreads over all classes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts.losses.checks import positive
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import NAMED


@terms.register("entropy")
@dataclass(frozen=True)
class Entropy:
    """L = sum_k p_k log p_k with p = mean_b softmax(t_b / T), t the teacher's logits (B, K).

    The information entropy loss of Chen et al., "Data-Free Learning of Student Networks" (DAFL), ICCV 2019, arXiv
    1904.01186; also DFQ's balance. In nats, between -log K (balanced) and 0 (one class). DAFL's code takes log10: its
    weight w is w / log(10) here.

    temperature: T, 1 in most codes, 20 in that of CuDFKD (arXiv 2208.13648) for CIFAR-10.
    """

    targets: ClassVar = NAMED

    temperature: float = 1.0

    def __post_init__(self) -> None:
        positive(temperature=self.temperature)

    def __call__(self, signals: Signals) -> Tensor:
        logits = signals.teacher.logits
        # In logarithms: a class that underflows to p = 0 in every image would make 0 * log 0 and a gradient of NaN.
        log_p = F.log_softmax(logits / self.temperature, dim=1).logsumexp(0) - math.log(len(logits))
        return (log_p.exp() * log_p).sum()
