"""The cases of `step`: six methods at four sizes, cut so that an epoch is one round; weights are random."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from dfkd_ray import nets
from dfkd_ray.methods import config, presets
from dfkd_ray.methods.method import Method
from dfkd_ray.methods.presets.rules import Seen
from dfkd_ray.train.run import Run
from dfkd_ray.train.runtime import Runtime
from dfkd_ray.util.choices import Precision


@dataclass(frozen=True)
class Size:
    """batch: images on a CPU, and on a GPU. preset: what brings the method to this size; else `changes` do, by method.
    paper: methods whose papers have this pair of nets at this size."""

    said: str
    teacher: str
    student: str
    classes: int
    side: int
    batch: tuple[int, int]
    preset: str = ""
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    paper: tuple[str, ...] = ()


# the generator of DFKD-FGVC starts from 14 pixels, so at 32 it has the relatives' two doublings; these have five at 224
SMALL = {"dfkd_fgvc": {"source.doublings": 2}}
LARGE = {name: {"source.doublings": 5} for name in ("fast", "cmi", "dfad", "dafl", "spaceshipnet")}
SIZES = {
    "gliders": Size(
        "ResNet-8 to ResNet-8, 32 pixels, the laptop's preset", "resnet8", "resnet8", 12, 32, (32, 32), preset="laptop"
    ),
    "cifar": Size("ResNet-20 to ResNet-20, 32 pixels", "resnet20", "resnet20", 10, 32, (64, 256), changes=SMALL),
    "cifar34": Size(
        *("ResNet-34 to ResNet-18 of CIFAR, 32 pixels", "cifar_resnet34", "cifar_resnet18", 10, 32, (8, 256)),
        changes=SMALL,
        paper=("fast", "cmi", "dfad", "dafl", "spaceshipnet"),
    ),
    "large": Size(
        *("ResNet-34 to ResNet-18, 224 pixels", "resnet34", "resnet18", 200, 224, (4, 64)),
        changes=LARGE,
        paper=("dfkd_fgvc",),
    ),
}
# Steps of the source and of the student in a round, in about the ratios of the papers where these are short.
STEPS = {"fast": (5, 5), "dfad": (1, 5), "dfkd_fgvc": (4, 3), "cmi": (5, 5), "dafl": (1, 1), "spaceshipnet": (5, 5)}
WHOLE = {"source_loss.adversarial.start": 0}  # every term counts from the beginning
OWN: dict[str, dict[str, Any]] = {
    "fast": {**WHOLE, "source.lifecycle.reset_after": None},
    "cmi": WHOLE,
}
POOLED = ("fast", "cmi", "spaceshipnet")
ROUNDS_KEPT = 8  # of a memory's batches: enough to be drawn from
NEGATIVES = 4096  # rows that stand in the bank of `contrastive` from the first step on, as many as it draws


def method_of(name: str, size: Size, batch: int, changes: Mapping[str, Any] | None = None) -> Method:
    """A method at a size, an epoch of one round long, for as many epochs as anybody asks for."""
    method = config.load(name)
    if size.preset:
        method = presets.under(method, name, size.preset, Seen((3, size.side, size.side), size.classes))
    source, student = STEPS[name]
    plan = {"epochs": 10**6, "rounds": 1, "warmup": 0, "source_steps": source, "student_steps": student, "batch": batch}
    fixed = {f"schedule.{key}": value for key, value in plan.items()}
    memory = {"memory.capacity": ROUNDS_KEPT * batch} if name in POOLED else {}
    return config.change(
        method, {**size.changes.get(name, {}), **fixed, **memory, **OWN.get(name, {}), **(changes or {})}
    )


def opened(method: Method, size: Size, runtime: Runtime) -> Run:
    """The run at its beginning; its teacher's running statistics are those of noise."""
    device = runtime.open()
    torch.manual_seed(0)
    teacher, student = (nets.build(arch, size.classes) for arch in (size.teacher, size.student))
    image = (3, size.side, size.side)
    settled(teacher, torch.randn(8, *image))
    run = Run(method, teacher, student, image, (0.5, 0.45, 0.4), (0.25, 0.24, 0.26), 0, runtime, device)
    if "contrastive" in run.source_loss.calls:
        term = run.source_loss.calls["contrastive"]
        term.bank = torch.randn(NEGATIVES, term.bank.shape[1], device=device).half()
    return run


@torch.no_grad()
def settled(net: nn.Module, noise: torch.Tensor) -> None:
    """Running statistics of a net that has seen something."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # a plain mean
    net.train()(noise)


@dataclass(frozen=True)
class Case:
    """What a process measures. batch: 0 is the size's own. alone: a variant whose memory is wanted, nothing else."""

    method: str
    size: str
    device: str = "cpu"
    threads: int = 1
    repeats: int = 9
    seconds: float = 0.3
    batch: int = 0
    levers: bool = False
    alone: str = ""

    @property
    def of(self) -> Size:
        return SIZES[self.size]

    @property
    def images(self) -> int:
        return self.batch or self.of.batch[self.device != "cpu"]

    def run(self, precision: Precision = "float32", batch: int = 0, changes: Mapping[str, Any] | None = None) -> Run:
        method = method_of(self.method, self.of, batch or self.images, changes)
        return opened(method, self.of, Runtime(self.device, precision, self.threads))
