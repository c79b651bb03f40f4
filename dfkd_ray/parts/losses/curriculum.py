"""Easy images first: the student's loss, weighed down where it is above a threshold that grows with its steps."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from dfkd_ray.parts.losses.checks import one_of, positive
from dfkd_ray.parts.losses.kd import kl
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.parts.total_loss import terms

Distance = Literal["l1", "kl"]
Unit = Literal["batch", "image"]


@terms.register("curriculum")
@dataclass(frozen=True)
class Curriculum:
    """L = v l with v = (1 + e^-h) / (1 + e^(l - h)), h = threshold + growth * i, i the student's steps so far.

    The self-paced weight of CuDFKD: Li et al., "How to Teach: Learning Data-Free Knowledge Distillation from
    Curriculum", 2022, arXiv 2208.13648, as in the authors' code. l is the distance of the student's logits (B, K) from
    the teacher's, which are detached; v is a constant for the gradient, near 1 where l is small and near 0 far above h.
    It takes the place of `logit_l1` or `kd`; with `threshold: 1e6` it is that term.

    distance: "l1" as in `logit_l1`, "kl" as in `kd`.
    of: l and v are those of the whole "batch", as the released code computes them, whose losses are means, or of each
        "image", and L is their mean: what the paper's text is about, as far as others report it (secondary).
    threshold: h at the first step; 2 in the script for CIFAR-10, 1 in that for CIFAR-100.
    growth: of h in a step; 1e-4 for CIFAR-10, 2e-5 for others.
    temperature: as in `kd`; read by "kl" only.
    """

    distance: Distance = "l1"
    of: Unit = "batch"
    threshold: float = 2.0
    growth: float = 1e-4
    temperature: float = 1.0

    def __post_init__(self) -> None:
        one_of(Distance, distance=self.distance)
        one_of(Unit, of=self.of)
        positive(temperature=self.temperature)
        for name in ("threshold", "growth"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")

    def open(self, setting: Setting) -> LiveCurriculum:
        return LiveCurriculum(self)


class LiveCurriculum(nn.Module):
    """A Curriculum that counts the steps of the student.

    gauges: the mean weight v of the last call.
    """

    def __init__(self, spec: Curriculum) -> None:
        super().__init__()
        self.spec, self.steps = spec, 0
        self.gauges: dict[str, Tensor] = {}

    def forward(self, signals: Signals) -> Tensor:
        teacher, student = signals.teacher.logits.detach(), signals.student.logits
        if self.spec.distance == "kl":
            losses = kl(teacher, student, "teacher_student", self.spec.temperature)
        else:
            losses = (student - teacher).abs().mean(1)
        if self.spec.of == "batch":
            losses = losses.mean()
        weights = self.weights(losses.detach())
        self.steps += 1
        self.gauges = {"weight": weights.mean()}
        return (weights * losses).mean()

    def weights(self, losses: Tensor) -> Tensor:
        """v for losses of any shape."""
        height = self.spec.threshold + self.spec.growth * self.steps
        return (1 + math.exp(-height)) * torch.sigmoid(height - losses)

    def get_extra_state(self) -> Tensor:
        return torch.tensor(self.steps)

    def set_extra_state(self, state: Tensor) -> None:
        self.steps = int(state)
