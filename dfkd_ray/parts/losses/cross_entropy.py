"""Hard targets for the student."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts.losses.checks import one_of
from dfkd_ray.parts.losses.onehot import Target
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import NAMED, Targets


@terms.register("cross_entropy")
@dataclass(frozen=True)
class CrossEntropy:
    """L = mean_b CE(s_b, y_b): cross-entropy of the student's logits s (B, K), not of its softmax.

    y is the class that was asked for, the preset label of conditional methods (CGDD, arXiv 2112.15358: the label "as a
    hard target"; its formula could not be read, so this is a reconstruction), or the teacher's argmax, the hard-label
    case of Hinton et al., arXiv 1503.02531.

    target: "labels" needs a source that asks for classes (ConfigError otherwise) and runs no teacher; "teacher".
    """

    target: Target = "labels"

    def __post_init__(self) -> None:
        one_of(Target, target=self.target)

    @property
    def targets(self) -> tuple[Targets, ...]:
        return ("classes",) if self.target == "labels" else NAMED

    def __call__(self, signals: Signals) -> Tensor:
        hard = signals.labels if self.target == "labels" else signals.teacher.logits.argmax(1)
        return F.cross_entropy(signals.student.logits, hard)
