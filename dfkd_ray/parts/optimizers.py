"""Optimisers and learning-rate schedules by name; a schedule is a function of the run's progress, without state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from dfkd_ray.nets.fusing import backward
from dfkd_ray.nets.precision import LossScaler
from dfkd_ray.nets.sharing import present
from dfkd_ray.util.registry import Registry

optimizers: Registry[type[Any]] = Registry("optimizer")
lr_schedules: Registry[type[Any]] = Registry("learning-rate schedule")


class OptimizerSpec(Protocol):
    """What every optimiser has: a learning rate, and `open`. What that returns is torch's own, and so has no `Live`."""

    @property
    def lr(self) -> float: ...
    def open(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer: ...


class LrSchedule(Protocol):
    """The factor on the learning rate when `progress` (0 at the start, 1 at the end) of the run is done."""

    def __call__(self, progress: float) -> float: ...


def _positive(**values: float) -> None:
    for name, value in values.items():
        if not value > 0:
            raise ValueError(f"{name} must be > 0, got {value}")


def _share(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name} must be in [0, 1), got {value}")


def _not_negative(**values: float) -> None:
    for name, value in values.items():
        if not value >= 0:
            raise ValueError(f"{name} must be >= 0, got {value}")


@optimizers.register("sgd")
@dataclass(frozen=True)
class SGD:
    """Stochastic gradient descent with momentum (`torch.optim.SGD`)."""

    lr: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 5e-4
    nesterov: bool = False

    def __post_init__(self) -> None:
        _positive(lr=self.lr)
        _share(momentum=self.momentum)
        _not_negative(weight_decay=self.weight_decay)
        if self.nesterov and not self.momentum:
            raise ValueError("nesterov needs a momentum > 0")

    def open(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return torch.optim.SGD(
            parameters, lr=self.lr, momentum=self.momentum, weight_decay=self.weight_decay, nesterov=self.nesterov
        )


@optimizers.register("adam")
@dataclass(frozen=True)
class Adam:
    """Adam (`torch.optim.Adam`); one instance lives for the whole run, its moments are part of the checkpoint.

    Its count of steps stays on the CPU, also when a checkpoint is loaded: torch reads it at each step, which would make
    a GPU wait.
    """

    lr: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        _positive(lr=self.lr)
        for beta in self.betas:
            _share(betas=beta)
        _not_negative(weight_decay=self.weight_decay)

    def open(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        adam = torch.optim.Adam(parameters, lr=self.lr, betas=self.betas, weight_decay=self.weight_decay)
        adam.register_load_state_dict_post_hook(_count_on_cpu)
        return adam


def _count_on_cpu(adam: torch.optim.Optimizer) -> None:
    for state in adam.state.values():
        state["step"] = state["step"].cpu()


@lr_schedules.register("constant")
@dataclass(frozen=True)
class Constant:
    """The same rate throughout."""

    def __call__(self, progress: float) -> float:
        return 1.0


@lr_schedules.register("cosine")
@dataclass(frozen=True)
class Cosine:
    """Half a cosine from 1 to `final` (SGDR without restarts, Loshchilov and Hutter, arXiv:1608.03983, eq. 5).

    `warmup` is the share of the run with a linear rise before it. The horizon is the run's own length, always.
    """

    warmup: float = 0.0
    final: float = 0.0

    def __post_init__(self) -> None:
        if not 0 <= self.warmup < 1:
            raise ValueError(f"warmup is a share of the run in [0, 1), got {self.warmup}")
        _not_negative(final=self.final)

    def __call__(self, progress: float) -> float:
        if progress < self.warmup:
            return progress / self.warmup
        rest = (progress - self.warmup) / (1 - self.warmup)
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * rest)) / 2


@lr_schedules.register("step")
@dataclass(frozen=True)
class Step:
    """Multiply by `factor` when each share of the run in `at` has passed.

    `warmup` is the share of the run with a linear rise before it.
    """

    at: tuple[float, ...] = (0.5, 0.75)
    factor: float = 0.1
    warmup: float = 0.0

    def __post_init__(self) -> None:
        _positive(factor=self.factor)
        _share(warmup=self.warmup)

    def __call__(self, progress: float) -> float:
        rise = min(1.0, progress / self.warmup) if self.warmup else 1.0
        return rise * self.factor ** sum(progress >= share for share in self.at)


def set_lr(optimizer: torch.optim.Optimizer, lr: float) -> None:
    """Give every parameter group the rate `lr`."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def descend(
    optimizer: torch.optim.Optimizer,
    loss: Tensor,
    scaler: LossScaler,
    clip: float | None = None,
    before: Callable[[], None] = lambda: None,
    beside: Iterable[torch.optim.Optimizer] = (),
) -> None:
    """One step down the gradient of a scalar, of norm `clip` at most; none where nothing in it can be learned, or where
    a gradient overflows float16. Ranks at work together take the same step.

    scaler: that of this loss. before: called when the gradients are there and no step is taken yet. beside: optimisers
    that take the same step with parameters of their own, which `clip` does not count.
    """
    optimizers = [optimizer, *beside]
    for each in optimizers:
        each.zero_grad()
    if not loss.requires_grad:
        return
    backward(scaler.scale(loss))
    learned = (p for each in optimizers for group in each.param_groups for p in group["params"])
    present().average(p.grad for p in learned if p.grad is not None)
    if not scaler.unscale(*optimizers):
        return
    if clip is not None:
        nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
    before()
    for each in optimizers:
        each.step()
