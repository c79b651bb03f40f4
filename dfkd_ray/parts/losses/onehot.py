"""The class prior: images that the teacher is sure about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts.losses.checks import one_of
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import NAMED, Targets

Target = Literal["labels", "teacher"]


@terms.register("onehot")
@dataclass(frozen=True)
class OneHot:
    """L = mean_b CE(t_b, y_b): cross-entropy of the teacher's logits t (B, K), not of its softmax.

    Chen et al., "Data-Free Learning of Student Networks" (DAFL), ICCV 2019, arXiv 1904.01186: y is the teacher's own
    argmax. DeepInversion (arXiv 1912.08795), CMI (arXiv 2105.08584) and every conditional source: y is the class that
    was asked for.

    target: "labels" needs a source that asks for classes (ConfigError otherwise); "teacher" is DAFL's.
    """

    target: Target = "labels"

    def __post_init__(self) -> None:
        one_of(Target, target=self.target)

    @property
    def targets(self) -> tuple[Targets, ...]:
        return ("classes",) if self.target == "labels" else NAMED

    def __call__(self, signals: Signals) -> Tensor:
        logits = signals.teacher.logits
        return F.cross_entropy(logits, signals.labels if self.target == "labels" else logits.argmax(1))
