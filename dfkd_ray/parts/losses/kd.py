"""Knowledge distillation: the Kullback-Leibler divergence of two softened predictions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts.losses.checks import one_of, positive
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import NAMED

Direction = Literal["teacher_student", "student_teacher"]


def kl(teacher: Tensor, student: Tensor, direction: Direction, temperature: float) -> Tensor:
    """T^2 KL(softmax(first / T) || softmax(second / T)) of each image, from two logits (B, K): (B,)."""
    first, second = (teacher, student) if direction == "teacher_student" else (student, teacher)
    log_p, log_q = (F.log_softmax(logits / temperature, dim=1) for logits in (first, second))
    return F.kl_div(log_q, log_p, log_target=True, reduction="none").sum(1) * temperature**2


@terms.register("kd")
@dataclass(frozen=True)
class KD:
    """L = T^2 mean_b KL(softmax(t_b / T) || softmax(s_b / T)), with the teacher's logits t detached.

    Hinton et al., "Distilling the Knowledge in a Neural Network", 2015, arXiv 1503.02531: T and the factor T^2, which
    keeps the size of the gradient. The term of eqs. 2 and 11 of DFKD-FGVC (arXiv 2404.12037), which has no temperature.
    Sums over the classes; code that averages over them too (ZSKT, SpaceshipNet) has weights K times as large.

    temperature: T.
    direction: "teacher_student" is KL(teacher || student), what the code of this field computes; "student_teacher" is
        KL(student || teacher), the literal eq. 2 of DFKD-FGVC.
    """

    targets: ClassVar = NAMED

    temperature: float = 1.0
    direction: Direction = "teacher_student"

    def __post_init__(self) -> None:
        positive(temperature=self.temperature)
        one_of(Direction, direction=self.direction)

    def __call__(self, signals: Signals) -> Tensor:
        teacher = signals.teacher.logits.detach()
        return kl(teacher, signals.student.logits, self.direction, self.temperature).mean()
