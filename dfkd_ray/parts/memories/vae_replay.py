"""A memory of constant size: a generator that learns to draw what the source once drew."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.encoder import Encoder
from dfkd_ray.nets.precision import LossScaler, single
from dfkd_ray.nets.sharing import shared
from dfkd_ray.nets.upsampling import UpsamplingGenerator
from dfkd_ray.parts.optimizers import Adam, descend
from dfkd_ray.parts.signals import Setting, frozen, mode
from dfkd_ray.parts.slots import Batch, LiveSource, memories


@memories.register("vae_replay")
@dataclass(frozen=True)
class VaeReplay:
    """Replay of past images without keeping one (PRE-DFKD: Binici et al., "Robust and Resource-Efficient Data-Free
    Knowledge Distillation by Generative Pseudo Replay", AAAI 2022, arXiv:2201.03019), as in the authors' code.

    The memory is a variational autoencoder, so it takes as much room after the last round as after the first: that is
    the point. A student's batch is new images and replayed ones, decoded from z ~ N(0, I) after one step of Adam on z
    towards sure (cross-entropy with the teacher's argmax) and balanced predictions, and towards the mean and variance
    (the unbiased one) of N(0, I). In the first `steps` batches of a round the autoencoder learns the first half of the
    new images, together with as many replayed ones as the student gets, so as not to forget (these not in the first
    round):

    L = mean |x' - x| + mean |t(x') - t(x)| + kl * mean_b KL(N(mu_b, var_b) || N(0, I)),

    with x' the reconstruction of x and t the teacher's logits. Replayed images have no class that was asked for, so
    there are no labels. Two further passes for z and two for L make a step of the student dearer.

    share: replayed images for each new one. steps: of the autoencoder in a round. lr: of its Adam, 0.02 / 40.
    latent: length of its z. width: channels of its last block and of its first. kl: weight of the divergence.
    latent_lr: of the step on z. balance: weight of sum_k p_k log p_k in it, 5 in log10.
    """

    share: float = 0.125
    steps: int = 4
    lr: float = 5e-4
    latent: int = 1000
    width: int = 64
    kl: float = 1e-5
    latent_lr: float = 0.02
    balance: float = 5 / math.log(10)

    def __post_init__(self) -> None:
        for name in ("share", "lr", "latent_lr"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        for name, least in {"steps": 0, "latent": 1, "width": 1, "kl": 0, "balance": 0}.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}")

    def open(self, setting: Setting, teacher: nn.Module, device: torch.device) -> LiveVaeReplay:
        return LiveVaeReplay(self, setting, teacher, device)


class LiveVaeReplay:
    """The autoencoder, its optimiser, and how many steps it has taken, of this round and of all."""

    def __init__(self, spec: VaeReplay, setting: Setting, teacher: nn.Module, device: torch.device) -> None:
        self.spec, self.teacher = spec, teacher
        decoder = UpsamplingGenerator(spec.latent, setting.image, spec.width, block_eps=0.8, init="uniform")
        nets = nn.ModuleDict({"encoder": Encoder(spec.latent, setting.image, spec.width), "decoder": decoder})
        self.nets = nets.to(device).to(memory_format=torch.channels_last)
        self.optimizer = Adam(lr=spec.lr).open(self.nets.parameters())
        self.scalers = {loss: LossScaler(setting.precision, device) for loss in ("autoencoder", "z")}
        self.left = self.lessons = 0

    @property
    def skipped(self) -> int:
        return sum(scaler.skipped for scaler in self.scalers.values())

    def refill(self, source: LiveSource, batch: int, rng: torch.Generator) -> None:
        self.left = self.spec.steps

    def draw(self, source: LiveSource, batch: int, rng: torch.Generator) -> Batch:
        new = source.sample(batch, rng, training=True).images
        count = max(1, round(self.spec.share * batch))
        old = self.replay(count, rng, training=False)
        if self.left:
            first = self.lessons < self.spec.steps
            half = new[: (len(new) + 1) // 2]
            self.learn(half if first else torch.cat([half, self.replay(count, rng, training=True)]), rng)
            self.left -= 1
            self.lessons += 1
        return Batch(torch.cat([new, old]), None)

    def replay(self, count: int, rng: torch.Generator, training: bool) -> Tensor:
        """So many past images, as the autoencoder remembers them; `training`: in that mode."""
        decoder = self.nets["decoder"]
        z = nn.Parameter(torch.randn(count, self.spec.latent, generator=rng, device=rng.device))
        with frozen(decoder), mode(decoder, training):
            descend(Adam(lr=self.spec.latent_lr).open([z]), self.unlikely(z), self.scalers["z"])
            with torch.no_grad():
                images: Tensor = shared(decoder, z)
        return images

    def unlikely(self, z: Tensor) -> Tensor:
        """What the step on z (B, latent) lowers: a scalar."""
        logits = single(shared(lambda z: self.teacher(self.nets["decoder"](z)), z))
        p = F.log_softmax(logits, dim=1).logsumexp(0) - math.log(len(logits))  # log of the mean prediction
        spread = z.var(0, correction=min(1, len(z) - 1))  # the unbiased one, which a single z has not
        normal = (spread - 1).square().mean() + z.mean(0).square().mean()
        return F.cross_entropy(logits, logits.argmax(1)) + self.spec.balance * (p.exp() * p).sum() + normal

    def learn(self, images: Tensor, rng: torch.Generator) -> None:
        """One step of the autoencoder on images (B, C, H, W)."""
        self.nets.train()
        mean, log_var = map(single, shared(self.nets["encoder"], images))
        noise = torch.randn(mean.shape, generator=rng, device=rng.device)
        again = shared(self.nets["decoder"], mean + (log_var / 2).exp() * noise)
        with torch.no_grad():
            targets = shared(self.teacher, images)
        divergence = -0.5 * (1 + log_var - mean.square() - log_var.exp()).sum(1).mean()
        loss = F.l1_loss(again, images) + F.l1_loss(shared(self.teacher, again), targets) + self.spec.kl * divergence
        descend(self.optimizer, loss, self.scalers["autoencoder"])

    def state_dict(self) -> dict[str, Any]:
        live = {"nets": self.nets.state_dict(), "optimizer": self.optimizer.state_dict()}
        scales = {loss: scaler.state_dict() for loss, scaler in self.scalers.items()}
        return live | {"scalers": scales, "left": self.left, "lessons": self.lessons}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.nets.load_state_dict(state["nets"])
        self.optimizer.load_state_dict(state["optimizer"])
        for loss, scaler in self.scalers.items():
            scaler.load_state_dict(state.get("scalers", {}).get(loss, {}))
        self.left, self.lessons = state["left"], state["lessons"]
