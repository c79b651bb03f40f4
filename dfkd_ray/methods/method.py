"""What a method is: one choice for each of eight slots. Plain frozen data; the defaults are DFKD-FGVC's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from dfkd_ray.nets.initialisation import Initialisation
from dfkd_ray.parts.augmenting import Views
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Cosine, LrSchedule, OptimizerSpec, lr_schedules, optimizers
from dfkd_ray.parts.sources.generator import Generator
from dfkd_ray.parts.total_loss import TotalLoss


@dataclass(frozen=True)
class Teacher:
    """arch: the frozen network's architecture; null is the task's own. Its weights are an input of the run."""

    arch: str | None = None


@dataclass(frozen=True)
class Student:
    """The network that is taught, and what teaches it.

    arch: null is the task's own. pretrained: start from ImageNet weights where they exist; the paper does not say:
        random initialisation is a reconstruction. init: how the weights begin, see `nets.initialisation`; null: as the
        architecture has it.
    optimizer: SGD 0.01, momentum 0.9, weight decay 5e-4, cosine annealing (DFKD-FGVC, section 5.1). The parameters of
        loss terms (attention modules, adapters, projection heads) join it.
    clip: the largest norm of the gradient of a step; null does not clip, no paper but ZSKT's code does.
    lr_schedule: without warm-up, which the paper does not mention (reconstruction).
    """

    arch: str | None = None
    pretrained: bool = False
    init: Initialisation | None = None
    optimizer: OptimizerSpec = field(default=SGD(), metadata={"registry": optimizers})
    lr_schedule: LrSchedule = field(default=Cosine(), metadata={"registry": lr_schedules})
    clip: float | None = None

    def __post_init__(self) -> None:
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip must be > 0, got {self.clip}")
        if self.pretrained and self.init is not None:
            raise ValueError(f"init {self.init} would overwrite the pretrained weights: one of the two")


@dataclass(frozen=True)
class Schedule:
    """Who moves when: `epochs` x `rounds` x (`source_steps` of the source, then `student_steps` of the student).

    epochs 200, source_steps t = 20, student_steps k = 15 and batch 64: DFKD-FGVC, section 5.1 and Algorithm 1, whose
    two loops alternate "at each iteration" (section 4.4). rounds: iterations an epoch are not stated; 50 is the habit
    of the first author's earlier code (reconstruction).
    student_in_synthesis: the student's mode while the source learns; "train" is that code's habit (reconstruction).
    warmup: epochs at the beginning in which the source alone moves (its memory fills); the student's learning rate
        starts its schedule after them.
    rehearse_every: rounds of the warm-up after which the student takes its steps all the same, at its full learning
        rate, so that an adversarial term has an opponent that knows what was synthesised so far (DiffDFKD); after the
        warm-up it begins anew. 0: it rests.
    source_epochs: epochs after which the source rests and the student learns on; null: it never does. With `warmup` of
        the same length, synthesis and distillation are two phases.
    """

    epochs: int = 200
    rounds: int = 50
    source_steps: int = 20
    student_steps: int = 15
    batch: int = 64
    student_in_synthesis: Literal["train", "eval"] = "train"
    warmup: int = 0
    rehearse_every: int = 0
    source_epochs: int | None = None

    def __post_init__(self) -> None:
        least = {"epochs": 1, "rounds": 1, "source_steps": 0, "student_steps": 0, "batch": 2, "warmup": 0}
        least["rehearse_every"] = 0
        for name, low in least.items():
            if getattr(self, name) < low:
                raise ValueError(f"{name} must be at least {low}, got {getattr(self, name)}")
        if self.warmup >= self.epochs:
            raise ValueError(f"warmup must leave the student an epoch, got {self.warmup} of {self.epochs}")
        if self.source_epochs is not None and self.source_epochs < 1:
            raise ValueError(f"source_epochs must be at least 1, got {self.source_epochs}")

    def source_moves(self, epoch: int) -> bool:
        """Whether the source learns in an epoch, counted from 1."""
        return self.source_epochs is None or epoch <= self.source_epochs

    def student_moves(self, epoch: int) -> bool:
        """Whether the student learns in an epoch, counted from 1."""
        return epoch > self.warmup

    @property
    def source_rounds(self) -> int:
        """Rounds of the whole run in which the source learns."""
        return self.rounds * min(self.epochs, self.source_epochs or self.epochs)

    @property
    def student_rounds(self) -> int:
        """Rounds of the whole run in which the student learns."""
        return self.rounds * (self.epochs - self.warmup)


@dataclass(frozen=True)
class Method:
    """Eight slots; everything that a published method is, and nothing else."""

    teacher: Teacher = field(default_factory=Teacher)
    student: Student = field(default_factory=Student)
    source: Any = field(default_factory=Generator)  # a Source
    source_loss: TotalLoss = field(default_factory=TotalLoss)
    memory: Any = field(default_factory=Fresh)  # a Memory
    views: Views = field(default_factory=Views)
    student_loss: TotalLoss = field(default_factory=TotalLoss)
    schedule: Schedule = field(default_factory=Schedule)
