"""What every generator has in common: a network that is trained on the source loss, and what it hands over."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.conditioners import Condition
from dfkd_ray.nets.heads import Output
from dfkd_ray.nets.precision import LossScaler
from dfkd_ray.nets.sharing import shared
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
from dfkd_ray.parts.slots import Batch, ImageLoss
from dfkd_ray.parts.sources.average import Ema
from dfkd_ray.parts.sources.batches import KeptBatch, Labels, draw_labels
from dfkd_ray.parts.sources.conditions import Conditioner, conditioners
from dfkd_ray.parts.sources.lifecycles import Keep, fresh, lifecycles
from dfkd_ray.util.choices import EVERY, Targets
from dfkd_ray.util.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class Trained:
    """The fields of every generator; `build` makes its network, called as net(z, labels).

    latent: length of z ~ N(0, I). latent_lr: a z and its labels are kept for a round and z is learned with the network,
        at this rate (CMI, FastDFKD); 0: kept, but not learned (SpaceshipNet); null: new ones in every step.
    labels: classes to ask for: "none", "uniform" at random, or "balanced": each batch has all classes alike, as far as
        its size allows (SpaceshipNet, NAYER).
    condition: how the network is told the labels, see `conditions`; null: it is not, and only losses know of them.
    gives: what the memory gets: a "new" sample of the network as it is after its steps, the images of its "last" step
        (DAFL's joint step), or those of the step whose loss was "best" (CMI, FastDFKD).
    ema: a slower copy of the network that gives a share of the images, see `average`; null: there is none.
    shrink: the network makes images whose sides are so many times smaller, the source loss judges them at this size,
        and the memory gets them enlarged, bilinearly (MUSE, arXiv:2411.17046: below the teacher's resolution; how they
        are enlarged is a reconstruction).
    scales: in turn, from step to step of a round, by how much smaller still the source loss sees them, averaged (MUSE's
        several resolutions; that they take turns is a reconstruction). The last step has the first of them, and the
        "best" one is among its steps: losses of several resolutions do not compare, and a term that remembers the last
        batch of a round (`batchnorm`) remembers it at this one.
    output: see `nets.heads`. lifecycle: see `lifecycles`. clip: the largest norm of a step's gradient; null: any.
    """

    latent: int = 256
    latent_lr: float | None = None
    labels: Labels = "none"
    condition: Conditioner | None = field(default=None, metadata={"registry": conditioners})
    gives: Literal["new", "last", "best"] = "new"
    ema: Ema | None = None
    shrink: int = 1
    scales: tuple[int, ...] = (1,)
    output: Output = "batchnorm"
    lifecycle: Any = field(default=Keep(), metadata={"registry": lifecycles})
    clip: float | None = None
    optimizer: OptimizerSpec = field(default=Adam(lr=1e-3), metadata={"registry": optimizers})
    lr_schedule: LrSchedule = field(default=Constant(), metadata={"registry": lr_schedules})

    def __post_init__(self) -> None:
        if self.latent < 1:
            raise ValueError(f"latent must be at least 1, got {self.latent}")
        if self.latent_lr is not None and not self.latent_lr >= 0:
            raise ValueError(f"latent_lr must be >= 0, got {self.latent_lr}")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"clip must be > 0, got {self.clip}")
        if self.shrink < 1:
            raise ValueError(f"shrink must be at least 1, got {self.shrink}")
        if not self.scales or min(self.scales) < 1:
            raise ValueError(f"scales must be whole numbers from 1 on, got {list(self.scales)}")
        if self.condition is not None and self.labels == "none":
            raise ValueError("condition needs classes to ask for: labels uniform or balanced, got none")
        if self.ema is not None and not (isinstance(self.lifecycle, Keep) and self.gives == "new"):
            raise ValueError("ema is the average of one network's weights: it needs a lifecycle keep and gives new")

    @property
    def targets(self) -> tuple[Targets, ...]:
        """A class to ask for is one of an image."""
        return EVERY if self.labels == "none" else ("classes",)

    def build(self, setting: Setting) -> nn.Module:
        """The network, freshly initialised from torch's own random numbers."""
        raise NotImplementedError

    def image(self, setting: Setting) -> tuple[int, int, int]:
        """(channels, height, width) of what the network makes; ConfigError where the sides are too small for that."""
        channels, height, width = setting.image
        if height % self.shrink or width % self.shrink:
            raise ConfigError.at("shrink", f"{self.shrink} does not divide the sides of an image, {height}x{width}")
        if min(height, width) // self.shrink < max(self.scales):
            raise ConfigError.at(
                "scales", f"{max(self.scales)} leaves nothing of {min(height, width) // self.shrink} pixels"
            )
        return channels, height // self.shrink, width // self.shrink

    def conditioner(self, setting: Setting) -> Callable[[int, tuple[int, int]], Condition] | None:
        """What makes the part of the network that reads labels."""
        return None if self.condition is None else partial(self.condition.build, setting.classes)

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveTrained:
        return LiveTrained(self, setting, also, device)


class LiveTrained:
    """The network and its optimiser, which also trains the parameters of the source loss (`also`), if it has any."""

    def __init__(self, spec: Trained, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> None:
        self.spec, self.setting, self.device = spec, setting, device
        self.also = list(also)
        self.net = self._made()
        self.optimizer = self.new_optimizer()
        self.scaler = LossScaler(setting.precision, device)
        self.lifecycle = spec.lifecycle.open(self)
        self.average = None if spec.ema is None else spec.ema.open(self.net)
        self.kept: Batch | None = None  # what the last round hands over, where it is no new sample
        self.maps: tuple[Tensor, ...] = ()  # the feature maps that these images came from, where a memory wants them

    def improve(
        self, batch: int, steps: int, image_loss: ImageLoss, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        if not steps:
            return
        factor = self.spec.lr_schedule(progress)
        self.lifecycle.begin(self, rng, factor)
        self.net.train()
        z, labels, latents = self._latent(batch, rng)
        kept = KeptBatch(self.spec.gives)
        for step in range(steps):
            if step and self.spec.latent_lr is None:
                z, labels, _ = self._latent(batch, rng)
            images, maps = self._draw(z, labels)
            turn = (steps - 1 - step) % len(self.spec.scales)  # 0 in the last step
            scale = self.spec.scales[turn]
            loss, values = image_loss(images if scale == 1 else F.avg_pool2d(images, scale), labels)
            if turn == 0:
                kept.offer(images, labels, loss, maps)
            self._descend(loss, factor, latents)
            yield values
        self.kept, self.maps = kept.batch, kept.maps
        self.lifecycle.end(self)
        if self.average is not None:
            self.average.follow(self.net)

    @torch.no_grad()
    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        if training and self.kept is not None:
            return self._whole(self.kept)
        if self.average is None:
            return self._whole(self._drawn(self.net, batch, rng, training))
        slow = self.average.part(batch)
        new = self._drawn(self.net, batch - slow, rng, training)
        old = self._drawn(self.average.net, slow, rng, training)
        labels = None if new.labels is None or old.labels is None else torch.cat([new.labels, old.labels])
        return self._whole(Batch(torch.cat([new.images, old.images]), labels))

    @property
    def skipped(self) -> int:
        return self.scaler.skipped

    def renew(self, rng: torch.Generator) -> None:
        """New weights and a new optimiser."""
        self.net = fresh(self._made, rng)
        self.optimizer = self.new_optimizer()

    def new_optimizer(self) -> torch.optim.Optimizer:
        """An optimiser of `net` as it is now, and of what the source loss learns."""
        return self.spec.optimizer.open([*self.net.parameters(), *self.also])

    def noise(self, batch: int, rng: torch.Generator) -> Tensor:
        """z (B, latent)."""
        return torch.randn(batch, self.spec.latent, generator=rng, device=self.device)

    def draw_labels(self, batch: int, rng: torch.Generator) -> Tensor | None:
        """Classes to ask for, (B,) int64."""
        return draw_labels(self.spec.labels, self.setting.classes, batch, rng)

    def state_dict(self) -> dict[str, Any]:
        state = {name: getattr(self, name).state_dict() for name in self._parts()}
        kept = None if self.kept is None else tuple(self.kept)
        return state | {"scaler": self.scaler.state_dict(), "kept": kept}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for name in self._parts():
            getattr(self, name).load_state_dict(state[name])
        self.scaler.load_state_dict(state.get("scaler", {}))
        self.kept = None if state["kept"] is None else Batch(*state["kept"])

    def _draw(self, z: Tensor, labels: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Images, and the feature maps that they came from, where these are wanted."""
        return self._images(self.net, z, labels), ()

    def _drawn(self, net: nn.Module, batch: int, rng: torch.Generator, training: bool) -> Batch:
        net.train(training)
        z, labels = self.noise(batch, rng), self.draw_labels(batch, rng)
        return Batch(self._images(net, z, labels), labels)

    def _images(self, net: nn.Module, z: Tensor, labels: Tensor | None) -> Tensor:
        images: Tensor = shared(net, z, labels)
        return images

    def _whole(self, batch: Batch) -> Batch:
        """At the size of the task."""
        if self.spec.shrink == 1:
            return batch
        return batch._replace(images=F.interpolate(batch.images, self.setting.image[1:], mode="bilinear"))

    def _parts(self) -> tuple[str, ...]:
        return ("net", "optimizer", "lifecycle", *(() if self.average is None else ("average",)))

    def _made(self) -> nn.Module:
        return self.spec.build(self.setting).to(self.device).to(memory_format=torch.channels_last)

    def _latent(self, batch: int, rng: torch.Generator) -> tuple[Tensor, Tensor | None, torch.optim.Optimizer | None]:
        """z, labels, and the optimiser of z where it is learned."""
        z, labels = self.noise(batch, rng), self.draw_labels(batch, rng)
        if not self.spec.latent_lr:
            return z, labels, None
        learned = nn.Parameter(z)
        return learned, labels, replace(self.spec.optimizer, lr=self.spec.latent_lr).open([learned])  # type: ignore[type-var]

    def _descend(self, loss: Tensor, factor: float, latents: torch.optim.Optimizer | None) -> None:
        """One step of the network, of what the loss learns, and of z; `clip` is the network's."""
        set_lr(self.optimizer, self.spec.optimizer.lr * factor)
        if latents is not None and self.spec.latent_lr is not None:
            set_lr(latents, self.spec.latent_lr * factor)
        beside = () if latents is None else (latents,)
        descend(self.optimizer, loss, self.scaler, self.spec.clip, lambda: self.lifecycle.stepped(self), beside)
