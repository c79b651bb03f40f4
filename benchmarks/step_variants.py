"""What `step` runs side by side: ours as it is or with a habit changed, and the floors that no loop gets below.

Each has `round()`: the steps of a round, once, as seconds of the source's and of the student's.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import torch
from naive import Naive
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torch.utils._python_dispatch import TorchDispatchMode

from dfkd_ray.parts.signals import frozen, mode
from dfkd_ray.train.loop import distill
from dfkd_ray.train.run import Run

Seconds = tuple[float, float]
Tweak = Callable[[Run], object]
CONVOLUTIONS = (torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default)


class Clock:
    """Seconds of the process where it has one thread, which other processes disturb little; else those of the clock,
    when the device has done what it was told."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        alone = device.type == "cpu" and torch.get_num_threads() == 1
        self.read = time.process_time if alone else time.perf_counter

    def __call__(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return self.read()


class Ours:
    """The real loop, a round a call; the memory's refill, where the source's phase ends, is the student's."""

    def __init__(self, run: Run, tweak: Tweak = lambda run: None) -> None:
        self.clock, self.mark = Clock(run.device), 0.0
        tweak(run)
        self.steps, refill = distill(run), run.memory.refill

        def marked(*given: Any) -> None:
            self.mark = self.clock()
            refill(*given)

        run.memory.refill = marked  # type: ignore[method-assign]

    def round(self) -> Seconds:
        began = self.clock()
        next(self.steps)
        return self.mark - began, self.clock() - self.mark


class Twin:
    def __init__(self, run: Run) -> None:
        self.clock, self.mark, self.naive = Clock(run.device), 0.0, Naive(run)

    def round(self) -> Seconds:
        began = self.clock()
        self.naive.round(self._between)
        return self.mark - began, self.clock() - self.mark

    def _between(self) -> None:
        self.mark = self.clock()


class Floor:
    """F1: the nets of a run in the passes that its mathematics needs, with a plain distance of logits.

    The teacher's BatchNorm is folded into its convolutions; there is no prior, no view, no memory and no optimiser, and
    what further gradients a term takes (Grad-CAM's) is not in it.
    """

    def __init__(self, run: Run) -> None:
        self.run, self.clock, self.plan = run, Clock(run.device), run.method.schedule
        self.teacher, self.net = folded(run.teacher, run.setting.image), run.source.net
        source = run.method.source_loss.parts
        self.adversary, self.passes = "adversarial" in source, 2 if "contrastive" in source else 1
        with torch.no_grad():
            self.kept = self.net(self._z(), None)
        self.depths: list[Tensor] = []
        if hasattr(run.method.memory, "p"):
            with torch.no_grad():
                self.depths = self.net.features(self._z(), None)

    def round(self) -> Seconds:
        began = self.clock()
        with self.run.precision(), frozen(self.run.student), mode(self.run.student, self._student_trains):
            for _ in range(self.plan.source_steps):
                self.source_step()
        middle = self.clock()
        self.run.student.train()
        with self.run.precision():
            for step in range(self.plan.student_steps):
                self.student_step(step)
        return middle - began, self.clock() - middle

    @property
    def _student_trains(self) -> bool:
        return self.plan.student_in_synthesis == "train"

    def source_step(self) -> None:
        z = self._z().requires_grad_(bool(self.run.method.source.latent_lr))
        images = self.net.train()(z, None)
        loss = sum(self.teacher(images).abs().mean() for _ in range(self.passes - 1))
        student = self.run.student(images) if self.adversary else 0.0
        _descended(loss + (self.teacher(images) - student).abs().mean(), self.net)

    def student_step(self, step: int) -> None:
        with torch.no_grad():
            images = self._images(step)
            teacher = self.teacher(images)
        _descended((self.run.student(images) - teacher).abs().mean(), self.run.student)

    def _images(self, step: int) -> Tensor:
        if self.depths:
            depth = step % len(self.depths)
            with mode(self.net, training=False):
                images: Tensor = self.net.decode(self.depths[depth], depth, None)
            return images
        fresh = type(self.run.method.memory).__name__ == "Fresh" and self.run.method.source.gives == "new"
        return self.net(self._z(), None) if fresh else self.kept

    def _z(self) -> Tensor:
        return torch.randn(self.plan.batch, self.run.method.source.latent, device=self.run.device)


class Convolutions:
    """F2: the convolutions of a floor alone, forward and backward as its steps need them, on the same tensors."""

    def __init__(self, floor: Floor) -> None:
        self.clock, plan, student = Clock(floor.run.device), floor.plan, floor.run.student
        with floor.run.precision(), frozen(student), mode(student, floor._student_trains), Recorded() as source:
            floor.source_step()
        student.train()
        learned = []
        for step in range(max(1, len(floor.depths))):
            with floor.run.precision(), Recorded() as one:
                floor.student_step(step)
            learned.append(one.calls)
        self.source = source.calls * plan.source_steps
        self.student = [call for step in range(plan.student_steps) for call in learned[step % len(learned)]]

    @torch.no_grad()
    def round(self) -> Seconds:
        began = self.clock()
        for func, given in self.source:
            func(*given)
        middle = self.clock()
        for func, given in self.student:
            func(*given)
        return middle - began, self.clock() - middle


class Recorded(TorchDispatchMode):
    """Keeps the convolutions of a block, with what they are given."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Any, Any]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in CONVOLUTIONS:
            self.calls.append((func, args))
        return func(*args, **(kwargs or {}))


def _descended(loss: Tensor, net: nn.Module) -> None:
    loss.backward()  # type: ignore[no-untyped-call]
    net.zero_grad()


def folded(teacher: nn.Module, image: tuple[int, int, int]) -> nn.Module:
    """A copy whose every BatchNorm is part of the convolution before it, by the order in which they are registered."""
    net = copy.deepcopy(teacher)
    last = ("", nn.Module())
    for name, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d) and isinstance(last[1], nn.Conv2d):
            net.set_submodule(last[0], fuse_conv_bn_eval(last[1], module))
            net.set_submodule(name, nn.Identity())
        if isinstance(module, nn.Conv2d | nn.BatchNorm2d):
            last = (name, module)
    device = next(teacher.parameters()).device
    with torch.no_grad():
        noise = torch.randn(2, *image).to(device)
        assert (net(noise) - teacher(noise)).abs().max() < 1e-3 * teacher(noise).abs().max(), "not the same teacher"
    return net.requires_grad_(False).to(memory_format=torch.channels_last)


def contiguous(run: Run) -> None:
    for net in (run.teacher, run.student, run.source.net):
        net.to(memory_format=torch.contiguous_format)


def teacher_with_gradients(run: Run) -> None:
    run.teacher.requires_grad_(True)


def statistics_always(run: Run) -> None:
    """Forward hooks on every BatchNorm of the teacher that never leave, as in DeepInversion's code."""
    kept: dict[nn.Module, Any] = {}
    for module in run.teacher.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_hook(
                lambda m, args, out: kept.__setitem__(m, torch.var_mean(args[0], (0, 2, 3), correction=0))
            )


def compiled(run: Run) -> None:
    run.source.net.compile()


def graphs(run: Run) -> None:
    run.source.net.compile(mode="reduce-overhead")


LEVERS: dict[str, Tweak] = {
    "nets not in channels_last": contiguous,
    "teacher asks for gradients": teacher_with_gradients,
    "BatchNorm statistics in every pass": statistics_always,
    "generator compiled": compiled,
    "generator compiled, CUDA graphs": graphs,
}
