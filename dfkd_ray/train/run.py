"""The state of one distillation: everything that a checkpoint carries, opened from a method, a teacher and a seed."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray import metrics
from dfkd_ray.methods.method import Method
from dfkd_ray.nets.heads import ToData
from dfkd_ray.nets.precision import LossScaler
from dfkd_ray.parts.augmenting import augment
from dfkd_ray.parts.optimizers import descend, set_lr
from dfkd_ray.parts.signals import Layout, Setting, Signals, layout
from dfkd_ray.parts.slots import Belongs, Counts, Meets, Skips, Varies
from dfkd_ray.train.means import Means
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util.errors import ConfigError
from dfkd_ray.util.seeding import stream, stream_seed


class Run:
    """A method in motion: networks, source, memory, objectives, optimiser, and where it stands.

    Every random number of epoch e comes from generators seeded with (seed, e), so a run that is resumed at the end of
    an epoch ends in the same bits as one that was not interrupted, and evaluation between epochs changes nothing. One
    that is saved in the middle of an epoch carries these generators as they stand.
    teacher and student: modules on `device`, the same classes; image: (C, H, W); mean, std: of the teacher's input;
    names: of the classes, for sources that are told them in words.
    """

    _within: Mapping[str, Any] | None = None  # how an epoch stood where the run was saved in its middle

    def __init__(
        self,
        method: Method,
        teacher: nn.Module,
        student: nn.Module,
        image: tuple[int, int, int],
        mean: tuple[float, ...],
        std: tuple[float, ...],
        seed: int,
        runtime: Runtime,
        device: torch.device,
        names: tuple[str, ...] = (),
    ) -> None:
        self.method, self.seed, self.runtime, self.device = method, seed, runtime, device
        self.teacher = teacher.to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)
        self.student = student.to(device).to(memory_format=torch.channels_last)
        of_teacher, of_student = _layouts(self.teacher, self.student, image)
        with torch.no_grad():
            classes = self.teacher(torch.zeros(1, *image, device=device)).shape[1]
        self.setting = Setting(image, classes, mean, std, of_teacher, of_student, names, runtime.precision)
        with _at("source_loss"):
            self.source_loss = method.source_loss.open(self.setting, seed).to(device)
        with _at("student_loss"):
            self.student_loss = method.student_loss.open(self.setting, seed).to(device)
        with _at("source"), stream(seed, "source"):
            self.source = method.source.open(self.setting, _learnable(self.source_loss), device)
            if isinstance(self.source, Belongs):
                self.source.belongs(self.teacher)
        with _at("memory"), stream(seed, "memory"):
            self.memory = method.memory.open(self.setting, self.teacher, device)
            if isinstance(self.memory, Meets):
                self.memory.meet(self.source)
        self.optimizer, self.scaler = self._new_optimizer(), LossScaler(runtime.precision, device)
        self._first = self._learned() if method.schedule.rehearse_every else {}
        self.rng, self.means = torch.Generator(device), Means()  # of the epoch that is under way
        self.epoch, self.rounds = 0, 0  # done, the rounds over all epochs

    @cached_property
    def to_data(self) -> ToData:
        """From pictures, black 0 and white 1, to the teacher's input."""
        return ToData(self.setting.mean, self.setting.std).to(self.device)

    @property
    def progress(self) -> float:
        """The share of the run that is done, in [0, 1]."""
        return self.rounds / (self.method.schedule.epochs * self.method.schedule.rounds)

    @property
    def apart(self) -> bool:
        """Whether its passes cannot be batched with those of other runs, see `LiveTotalLoss.apart`."""
        return self.source_loss.apart or self.student_loss.apart

    @property
    def source_steps(self) -> int:
        """Steps of the source in a round: none where no term tells it what to look for."""
        return self.method.schedule.source_steps if self.source_loss.calls else 0

    def student_steps(self, epoch: int) -> int:
        """Steps of the student in the round that is under way: in the warm-up, none or a rehearsal."""
        plan = self.method.schedule
        rehearsal = plan.rehearse_every and (self.rounds + 1) % plan.rehearse_every == 0
        return plan.student_steps if plan.student_moves(epoch) or rehearsal else 0

    def spent(self) -> dict[str, float]:
        """What the run has used up so far: steps of the student and of the source, images the student has seen."""
        plan = self.method.schedule
        rehearsals = min(self.rounds, plan.warmup * plan.rounds) // (plan.rehearse_every or math.inf)
        student = (self._student_rounds + rehearsals) * plan.student_steps
        counts = self.source.updates if isinstance(self.source, Counts) else lambda batch, steps: steps
        source = min(self.rounds, plan.source_rounds) * counts(plan.batch, self.source_steps)
        images = student * plan.batch
        return {
            metrics.STUDENT_UPDATES: float(student),
            metrics.SOURCE_UPDATES: float(source),
            metrics.STUDENT_IMAGES: float(images),
        }

    def skipped(self) -> dict[str, float]:
        """Steps so far whose gradients overflowed float16, of whoever takes some; nothing where none can."""
        takers = {"student": self.scaler, "source": self.source, "memory": self.memory}
        counts = {name: float(each.skipped) for name, each in takers.items() if isinstance(each, Skips)}
        told = self.scaler.is_enabled()
        return {f"{metrics.SKIPPED}{name}": count for name, count in counts.items() if told or count}

    def kept(self) -> dict[str, float]:
        """The share of a memory's variations that it keeps, where it makes some."""
        share = self.memory.kept if isinstance(self.memory, Varies) else None
        return {} if share is None else {metrics.KEPT: share}

    @property
    def lr(self) -> float:
        """The student's learning rate as it is now; its schedule begins after the warm-up."""
        if self.rounds < self.method.schedule.warmup * self.method.schedule.rounds:
            return self.method.student.optimizer.lr
        progress = self._student_rounds / self.method.schedule.student_rounds
        return self.method.student.optimizer.lr * self.method.student.lr_schedule(progress)

    @property
    def _student_rounds(self) -> int:
        """Rounds done in which the student learned."""
        plan = self.method.schedule
        return max(0, self.rounds - plan.warmup * plan.rounds)

    def begin(self, epoch: int) -> torch.Generator:
        """Seed everything random for one epoch, or go on with it where the run was saved in its middle; dropout and the
        like read torch's own generator."""
        if self._within is not None:
            return self._again(epoch, self._within)
        if self._first and epoch == self.method.schedule.warmup + 1:
            self._begin_anew()
        self.source_loss.begin(epoch)
        self.student_loss.begin(epoch)
        self.means = Means()
        torch.manual_seed(stream_seed(self.seed, "torch", epoch))
        return self.rng.manual_seed(stream_seed(self.seed, "epoch", epoch))

    def _again(self, epoch: int, within: Mapping[str, Any]) -> torch.Generator:
        """Everything random as it stood in the middle of an epoch."""
        self.source_loss.begin(epoch)
        self.student_loss.begin(epoch)
        self.means.sums, self.means.counts = within["sums"], within["counts"]
        torch.set_rng_state(within["torch"].cpu())
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(within["cuda"].cpu(), self.device)
        self._within = None
        return self.rng.set_state(within["rng"].cpu())

    def _standing(self) -> dict[str, Any]:
        """What `_again` goes on from; nothing at the end of an epoch."""
        if self.rounds == self.epoch * self.method.schedule.rounds:
            return {}
        own = {"cuda": torch.cuda.get_rng_state(self.device)} if self.device.type == "cuda" else {}
        random = {"rng": self.rng.get_state(), "torch": torch.get_rng_state(), **own}
        return {"within": {**random, "sums": self.means.sums, "counts": self.means.counts}}

    def precision(self) -> AbstractContextManager[Any]:
        return self.runtime.autocast(self.device)

    def image_loss(
        self, images: Tensor, labels: Tensor | None, /, *, only: str | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """The source loss of images (B, C, H, W), or one term of it, seen through the synthesis views."""
        seen = augment(self.method.views.synthesis, images, self.rng, self.to_data)
        total, values = self.source_loss(Signals(seen, labels, self.teacher, self.student), only)
        return total, values

    def step(self, loss: Tensor) -> None:
        """One step of the student (and of what its loss terms learn)."""
        set_lr(self.optimizer, self.lr)
        descend(self.optimizer, loss, self.scaler, self.method.student.clip)

    def _learned(self) -> dict[str, dict[str, Any]]:
        """What the student's optimiser moves, copied."""
        parts = {name: getattr(self, name).state_dict() for name in ("student", "student_loss")}
        return copy.deepcopy(parts)

    def _begin_anew(self) -> None:
        """The student that only rehearsed gives way to one that has learned nothing."""
        for name, state in self._first.items():
            getattr(self, name).load_state_dict(state)
        self.optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.Optimizer:
        learnable = [*_learnable(self.student), *_learnable(self.student_loss)]
        return self.method.student.optimizer.open(learnable)

    def state_dict(self) -> dict[str, Any]:
        """The whole state at the end of a round."""
        parts = {part: getattr(self, part).state_dict() for part in self._PARTS}
        # how the student began: while it rehearses, and not for the rest of the run
        first = {"first": self._first} if self._first and self.epoch <= self.method.schedule.warmup else {}
        stands = {"scaler": self.scaler.state_dict(), "epoch": self.epoch, "rounds": self.rounds}
        return {**parts, **first, **stands, **self._standing()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on where `state` was taken."""
        for part in self._PARTS:
            getattr(self, part).load_state_dict(state[part])
        self.scaler.load_state_dict(state.get("scaler", {}))
        self._first = state.get("first", self._first)
        self.epoch, self.rounds, self._within = state["epoch"], state["rounds"], state.get("within")

    _PARTS = ("student", "source", "memory", "source_loss", "student_loss", "optimizer")


def _layouts(teacher: nn.Module, student: nn.Module, image: tuple[int, int, int]) -> tuple[Layout, Layout]:
    """Of both networks; ConfigError where their outputs do not tell the same."""
    with _at("teacher"):
        one = layout(teacher, image)
    with _at("student"):
        other = layout(student, image)
        if other.targets != one.targets:
            tells = f"tells {other.targets}, its teacher ({one.kind}) {one.targets}"
            raise ConfigError.at("arch", f"the student ({other.kind}) {tells}")
    return one, other


@contextmanager
def _at(slot: str) -> Iterator[None]:
    """What does not fit within the block is a mistake in that slot of the method."""
    try:
        yield
    except ConfigError as error:
        raise ConfigError(problem.under(slot) for problem in error.problems) from None
    except ValueError as error:
        raise ConfigError.at(slot, str(error)) from None


def _learnable(module: nn.Module) -> list[nn.Parameter]:
    return [p for p in module.parameters() if p.requires_grad]
