"""Images of another domain, simulated or one's own, brought to what the teacher expects by a network of their own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from dfkd_ray.datasets.dead_leaves import dead_leaves
from dfkd_ray.datasets.unlabelled import unlabelled
from dfkd_ray.nets.dense import UNet
from dfkd_ray.nets.heads import ToData
from dfkd_ray.nets.precision import LossScaler
from dfkd_ray.nets.sharing import shared
from dfkd_ray.parts import mixing
from dfkd_ray.parts.losses.checks import positive
from dfkd_ray.parts.optimizers import (
    Adam,
    Constant,
    LrSchedule,
    OptimizerSpec,
    descend,
    lr_schedules,
    optimizers,
    set_lr,
)
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, ImageLoss, sources
from dfkd_ray.util.choices import EVERY
from dfkd_ray.util.errors import ConfigError, DataError
from dfkd_ray.util.words import counted

HELD, SEED = 256, 6  # images that the student never trains on; of the drawing, another than that of the metrics' bank
LEAST = 10  # images of one's own


@sources.register("adapted")
@dataclass(frozen=True)
class Adapted:
    """x' = x + A(x): simulated images x, a part of another pasted into each, and A, a small U-Net that descends the
    source loss (the BatchNorm prior) and keep mean |x' - x|.

    Hu et al., "Dense Depth Distillation with Out-of-Distribution Simulated Images", KBS 2023, arXiv:2208.12464, of
    which the abstract alone was read: objects of one simulated image are mixed into another, and a network moves them
    to the feature statistics that the teacher keeps. All else is a reconstruction: dead leaves, drawn in code, stand
    for rendered rooms, a box for an object's mask, and |x' - x| for the distance of what the teacher tells of both.

    images: a folder of pictures of another domain, however deep, or an `.npz` of images, in the place of dead leaves;
        labels do not count. null: dead leaves.
    count: images at most, beside 256 (of one's own at most a fifth of all) that the metrics see.
    pasted: the share of an image that is another's; 0: none. width: channels of A on its first scale. keep: weight of
        |x' - x|.
    """

    targets: ClassVar = EVERY

    images: str | None = None
    count: int = 1024
    pasted: float = 0.25
    width: int = 8
    keep: float = 1.0
    optimizer: OptimizerSpec = field(default=Adam(lr=2e-3), metadata={"registry": optimizers})
    lr_schedule: LrSchedule = field(default=Constant(), metadata={"registry": lr_schedules})

    def __post_init__(self) -> None:
        positive(count=self.count, width=self.width)
        if not 0 <= self.pasted < 1:
            raise ValueError(f"pasted must be in [0, 1), got {self.pasted}")
        if self.keep < 0:
            raise ValueError(f"keep must be >= 0, got {self.keep}")

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveAdapted:
        return LiveAdapted(self, setting, also, device)


class LiveAdapted:
    """The images, which are the same in every run, and A with its optimiser, which are all its state."""

    def __init__(self, spec: Adapted, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> None:
        self.spec, self.device = spec, device
        self.train, self.held = (part.to(device) for part in _images(spec, setting))
        net = UNet(spec.width, setting.image[0], setting.image[0])
        with torch.no_grad():
            net.head.weight.mul_(0.01)  # it begins as good as the identity
        self.net = net.to(device).to(memory_format=torch.channels_last)
        self.optimizer = spec.optimizer.open([*self.net.parameters(), *also])
        self.scaler = LossScaler(setting.precision, device)

    def improve(
        self, batch: int, steps: int, image_loss: ImageLoss, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        set_lr(self.optimizer, self.spec.optimizer.lr * self.spec.lr_schedule(progress))
        self.net.train()
        for _ in range(steps):
            simulated = self._simulated(self.train, batch, rng)
            images = self._adapted(simulated)
            loss, values = image_loss(images, None)
            far = (images - simulated).abs().mean()
            descend(self.optimizer, loss + self.spec.keep * far, self.scaler)
            yield values

    @torch.no_grad()
    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        self.net.train(training)
        return Batch(self._adapted(self._simulated(self.train if training else self.held, batch, rng)), None)

    @property
    def skipped(self) -> int:
        return self.scaler.skipped

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name).state_dict() for name in ("net", "optimizer", "scaler")}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in ("net", "optimizer", "scaler"):
            getattr(self, name).load_state_dict(state[name])

    def _simulated(self, bank: Tensor, batch: int, rng: torch.Generator) -> Tensor:
        """(B, C, H, W), drawn at random, each with a box of another of them."""
        rows = torch.randint(len(bank), (batch,), generator=rng, device=rng.device).to(self.device)
        return mixing.cutmix(bank[rows], 1 - self.spec.pasted, rng) if self.spec.pasted else bank[rows]

    def _adapted(self, simulated: Tensor) -> Tensor:
        images: Tensor = shared(lambda x: x + self.net(x), simulated)
        return images


def _images(spec: Adapted, setting: Setting) -> tuple[Tensor, Tensor]:
    """Images to train on and held-out ones, (N, C, H, W) each in the teacher's input space.

    Every so many-th is held out, as a folder may lie class by class.
    """
    if spec.images is None:
        drawn = dead_leaves(spec.count + HELD, setting.image, setting.mean, setting.std, SEED)
        return drawn[: spec.count], drawn[spec.count :]
    try:
        found = unlabelled(Path(spec.images).expanduser(), setting.image, spec.count + HELD)
    except DataError as error:
        raise ConfigError.at("images", str(error)) from None
    if len(found) < LEAST:
        raise ConfigError.at("images", f"{spec.images} has {counted(len(found), 'image')}: {LEAST} are needed")
    held = torch.zeros(len(found), dtype=torch.bool)
    held[:: max(5, -(-len(found) // HELD))] = True
    images = ToData(setting.mean, setting.std)(found.float() / 255)
    return images[~held][: spec.count], images[held]
