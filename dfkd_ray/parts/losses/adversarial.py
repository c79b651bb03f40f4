"""Disagreement: images on which teacher and student differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts.clean import clean
from dfkd_ray.parts.losses.checks import one_of, positive, share
from dfkd_ray.parts.losses.kd import Direction, kl
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.total_loss import terms
from dfkd_ray.util.choices import EVERY, NAMED, Targets

Divergence = Literal["kl", "l1", "mse", "js"]


@terms.register("adversarial")
@dataclass(frozen=True)
class Adversarial:
    """L = -mean_b m_b D(t_b, s_b), for whoever makes the images: t, s are logits (B, K), m_b is 1 or the mask below.

    With the defaults it is -L_KD of the generator's objective of DFKD-FGVC (eq. 10, arXiv 2404.12037). Relatives: ZSKT
    (KL, arXiv 1905.09768), DFAD (L1, arXiv 1912.11006), CMI (masked KL, arXiv 2105.08584), DiffDFKD (masked KL that
    stops at the teacher, arXiv 2504.00870).

    divergence: "kl" as in `kd`; "l1" and "mse" are means over the K logits, before any softmax; "js" is that of Jensen
        and Shannon, in [0, log 2], the competition of Adaptive DeepInversion (Yin et al., arXiv 1912.08795) and
        PRE-DFKD, whose 1 - JS is a constant away. Their codes take KL(M || .) for KL(. || M), M the mean of the two
        predictions, clamp probabilities to [0.01, 0.99] and clip the mean to [0, 1]; none of it is done here.
    direction: as in `kd`; read by "kl" only.
    temperature: as in `kd`; read by "kl" and "js", the latter without the factor T^2 (3 in Adaptive DeepInversion).
    agreeing_only: count only images on which both predict the same class (CMI); the mean stays one over all B.
    log: -log(1 + mean_b m_b D(t_b, s_b)) in place of the mean: the further apart the two are, the less a step is worth
        (DFAD's code for segmentation).
    clean: the threshold of `parts.clean`, 0.5 in TA-DFKD: the mean is one over the images of the batch that the teacher
        takes for clean ones, as it sees them here (there, before crop and flip). null: over all.
    through_teacher: whether the gradient reaches the images through the teacher too (eq. 10, DFAD) or only through the
        student (DiffDFKD).
    """

    divergence: Divergence = "kl"
    direction: Direction = "teacher_student"
    temperature: float = 1.0
    agreeing_only: bool = False
    log: bool = False
    clean: float | None = None
    through_teacher: bool = True

    def __post_init__(self) -> None:
        positive(temperature=self.temperature)
        one_of(Divergence, divergence=self.divergence)
        one_of(Direction, direction=self.direction)
        if self.clean is not None:
            share(clean=self.clean)

    @property
    def targets(self) -> tuple[Targets, ...]:
        named = self.agreeing_only or self.clean is not None or self.divergence in ("kl", "js")
        return NAMED if named else EVERY

    def __call__(self, signals: Signals) -> Tensor:
        teacher, student = signals.teacher.logits, signals.student.logits
        if not self.through_teacher:
            teacher = teacher.detach()
        distance = self._distance(teacher, student)
        if self.agreeing_only:
            distance = distance * (teacher.argmax(1) == student.argmax(1))
        if self.clean is None:
            mean = distance.mean()
        else:
            counts = clean(teacher, self.clean)
            mean = (distance * counts).sum() / counts.sum()
        return -mean.log1p() if self.log else -mean

    def _distance(self, teacher: Tensor, student: Tensor) -> Tensor:
        """Of each image: (B,)."""
        if self.divergence == "kl":
            return kl(teacher, student, self.direction, self.temperature)
        if self.divergence == "js":
            return js(teacher / self.temperature, student / self.temperature)
        difference = student - teacher
        return (difference.abs() if self.divergence == "l1" else difference.square()).mean(1)


def js(first: Tensor, second: Tensor) -> Tensor:
    """(KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2, p and q the softmax of two logits (B, K): (B,)."""
    log_p, log_q = F.log_softmax(first, dim=1), F.log_softmax(second, dim=1)
    # log(p / m) = log 2 - softplus(log(q / p)): finite where p or q underflows, and exactly 0 where they are alike
    log_2 = F.softplus(log_p.new_zeros(()))
    from_p, from_q = log_2 - F.softplus(log_q - log_p), log_2 - F.softplus(log_p - log_q)
    return ((log_p.exp() * from_p).sum(1) + (log_q.exp() * from_q).sum(1)) / 2
