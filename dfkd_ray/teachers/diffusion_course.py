"""The course of a small diffusion model's training: its auto-encoder, then its U-Net on latents, epoch by epoch."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.datasets.readers import Split
from dfkd_ray.nets.pipelines import prompts_of
from dfkd_ray.teachers.course import restored
from dfkd_ray.util import generations
from dfkd_ray.util.errors import TrialFailed
from dfkd_ray.util.seeding import stream

ENCODED = 250  # images at a time


@dataclass(frozen=True)
class DiffusionRecipe:
    """How `teach-diffusion` trains, all of it a reconstruction that was chosen on gliders: AdamW along one cycle (Smith
    and Topin, arXiv:1708.07120).

    coder_epochs, epochs: of the auto-encoder, then of the U-Net and the text encoder together. images: of one epoch,
    however many the split has, so that a recipe is as long for a small one. kl: weight of the latents' KL to a standard
    normal, a number of the latent. average: how much of the moving average of the weights each step keeps; it is the
    average that is written. named, dropped: shares of captions with the name of the class, and of empty ones, which
    classifier-free guidance needs (Ho and Salimans, arXiv:2207.12598); the rest are `plain`.
    """

    coder_epochs: int = 1
    coder_batch: int = 32
    coder_lr: float = 3e-3
    kl: float = 1e-3
    epochs: int = 12
    batch: int = 64
    lr: float = 2e-3
    average: float = 0.999
    weight_decay: float = 0.01
    images: int = 12_000
    named: float = 0.45
    dropped: float = 0.1
    prompt: str = "A realistic photo of {name}."
    plain: str = "A realistic photo."

    def __post_init__(self) -> None:
        for name in ("coder_epochs", "coder_batch", "coder_lr", "epochs", "batch", "lr", "images"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be > 0, got {getattr(self, name)}")
        for name in ("kl", "weight_decay"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must be >= 0, got {getattr(self, name)}")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be in [0, 1), got {self.average}")
        if min(self.named, self.dropped) < 0 or self.named + self.dropped > 1:
            raise ValueError(f"named and dropped must be shares, got {self.named} and {self.dropped}")
        if "{name}" not in self.prompt:
            raise ValueError(f"prompt must have {{name}}, got {self.prompt!r}")

    def captions(self, names: tuple[str, ...]) -> list[str]:
        """One with each class's name, then the plain one, then the empty one."""
        return [*prompts_of(self.prompt, names), self.plain, ""]


class DiffusionEpoch(NamedTuple):
    """What is reported after each epoch: of which part, number from 1, of how many, mean loss, seconds so far."""

    part: str
    epoch: int
    epochs: int
    loss: float
    seconds: float


class Stage:
    """What learns at one time, and how: AdamW, one cycle of the learning rate, the moving average of the weights."""

    def __init__(self, recipe: DiffusionRecipe, coder: bool, learns: nn.Module, loss: Callable[[Tensor], Tensor]):
        """loss: of the images in these rows of the training split."""
        self.part, self.learns, self.loss = "auto-encoder" if coder else "U-Net", learns, loss
        self.batch, self.epochs = (getattr(recipe, f"{'coder_' * coder}{name}") for name in ("batch", "epochs"))
        lr, self.average = (recipe.coder_lr, 0.0) if coder else (recipe.lr, recipe.average)
        self.steps = math.ceil(recipe.images / self.batch) * self.epochs
        self.weights = list(learns.parameters())
        self.averages = [weight.detach().clone() for weight in self.weights]
        self.optimiser = torch.optim.AdamW(self.weights, lr, (0.9, 0.99), weight_decay=recipe.weight_decay)
        self.cycle = torch.optim.lr_scheduler.OneCycleLR(self.optimiser, lr, self.steps, pct_start=0.1)

    @property
    def done(self) -> int:
        return self.cycle.last_epoch

    def step(self, rows: Tensor) -> Tensor:
        loss = self.loss(rows)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimiser.step()
        self.cycle.step()
        keep = min(self.average, self.done / (self.done + 9))  # what the first weights were is soon forgotten
        torch._foreach_lerp_(self.averages, [weight.detach() for weight in self.weights], 1 - keep)
        return loss.detach()

    @torch.no_grad()
    def close(self) -> None:
        """The weights are their average from here on, and frozen."""
        for weight, average in zip(self.weights, self.averages):
            weight.copy_(average)
        self.learns.eval().requires_grad_(False)

    def state_dict(self) -> dict[str, Any]:
        parts = {"optimiser": self.optimiser.state_dict(), "cycle": self.cycle.state_dict()}
        return {**parts, "learns": self.learns.state_dict(), "averages": self.averages}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.learns.load_state_dict(state["learns"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.cycle.load_state_dict(state["cycle"])
        self.averages = state["averages"]
        if self.done == self.steps:
            self.close()


class DiffusionCourse:
    """A pipeline on its way. Each epoch draws from a stream of its own: no generator is part of a checkpoint."""

    def __init__(self, pipe: Any, recipe: DiffusionRecipe, train: Split, names: tuple[str, ...], seed: int) -> None:
        self.pipe, self.recipe, self.train, self.seed = pipe, recipe, train, seed
        self.device = next(pipe.vae.parameters()).device
        long = {"padding": "max_length", "truncation": True, "return_tensors": "pt"}
        self.captions = pipe.tokenizer(recipe.captions(names), **long).input_ids.to(self.device)
        painter = nn.ModuleList([pipe.unet, pipe.text_encoder])
        self.stages = [Stage(recipe, True, pipe.vae, self._coded), Stage(recipe, False, painter, self._denoised)]
        self.epochs: list[DiffusionEpoch] = []
        self.latents: tuple[Tensor, Tensor] | None = None  # means and deviations (N, C, h, w)

    @property
    def seconds(self) -> float:
        return self.epochs[-1].seconds if self.epochs else 0.0

    @property
    def steps(self) -> int:
        return sum(stage.steps for stage in self.stages)

    def next(self) -> Stage | None:
        """Whose turn it is; None after the last epoch."""
        return next((stage for stage in self.stages if stage.done < stage.steps), None)

    def train_epoch(self, stage: Stage, tell: Callable[[int], None]) -> float:
        """An epoch of steps, each of them told; returns the mean loss."""
        stage.learns.train()
        total = torch.zeros((), device=self.device)
        with stream(self.seed, "teach-diffusion", len(self.epochs)):
            for rows in torch.split(self._rows(), stage.batch):
                total += stage.step(rows) * len(rows)
                tell(sum(each.done for each in self.stages))
        mean = float(total) / self.recipe.images
        if not math.isfinite(mean):
            raise TrialFailed(f"the loss of the {stage.part} is {mean}: lower the learning rate of the recipe")
        if stage.done == stage.steps:
            stage.close()
        return mean

    def _rows(self) -> Tensor:
        """Of the images of an epoch: each of the split as often as any other, give or take one."""
        count = len(self.train.labels)
        passes = math.ceil(self.recipe.images / count)
        return torch.cat([torch.randperm(count) for _ in range(passes)])[: self.recipe.images]

    def note(self, stage: Stage, loss: float, seconds: float) -> DiffusionEpoch:
        """Close an epoch."""
        number = 1 + sum(epoch.part == stage.part for epoch in self.epochs)
        self.epochs.append(DiffusionEpoch(stage.part, number, stage.epochs, loss, seconds))
        return self.epochs[-1]

    def _coded(self, rows: Tensor) -> Tensor:
        """L1 between images and what the auto-encoder makes of them, and the KL of its latents."""
        x = self._pixels(rows)
        posterior = self.pipe.vae.encode(x).latent_dist
        again = self.pipe.vae.decode(posterior.sample()).sample
        kl: Tensor = posterior.kl().mean() / posterior.mean[0].numel()
        return F.l1_loss(again, x) + self.recipe.kl * kl

    def _denoised(self, rows: Tensor) -> Tensor:
        """The U-Net's error in the noise of noisy latents (Ho et al., arXiv:2006.11239, eq. 14)."""
        if self.latents is None:
            self.latents = self._encoded()
        mean, deviation = (tensor[rows].to(self.device) for tensor in self.latents)
        noise, spread = (torch.randn(mean.shape).to(self.device) for _ in range(2))
        z = (mean + deviation * spread) * self.pipe.vae.config.scaling_factor
        steps = torch.randint(0, self.pipe.scheduler.config.num_train_timesteps, (len(rows),)).to(self.device)
        noisy = self.pipe.scheduler.add_noise(z, noise, steps)
        predicted = self.pipe.unet(noisy, steps, encoder_hidden_states=self._told(rows)).sample
        return F.mse_loss(predicted, noise)

    def _told(self, rows: Tensor) -> Tensor:
        """The embeddings (B, L, D) of captions, drawn for these images: with the class's name, plain or empty."""
        recipe, labels, classes = self.recipe, self.train.labels[rows], len(self.captions) - 2
        drawn = torch.rand(len(rows))
        others = torch.where(drawn < recipe.named + recipe.dropped, classes + 1, classes)
        used, place = torch.unique(torch.where(drawn < recipe.named, labels, others), return_inverse=True)
        embedded: Tensor = self.pipe.text_encoder(self.captions[used.to(self.device)])[0]
        return embedded[place.to(self.device)]

    @torch.no_grad()
    def _encoded(self) -> tuple[Tensor, Tensor]:
        """The latents' means and deviations; from here on the pipeline scales latents to a variance of 1."""
        rows = torch.split(torch.arange(len(self.train.labels)), ENCODED)
        found = [self.pipe.vae.encode(self._pixels(part)).latent_dist for part in rows]
        mean, deviation = (torch.cat([getattr(each, name).cpu() for each in found]) for name in ("mean", "std"))
        variance = mean.double().var() + deviation.double().square().mean()
        self.pipe.vae.register_to_config(scaling_factor=float(variance.rsqrt()))
        return mean, deviation

    def _pixels(self, rows: Tensor) -> Tensor:
        """Images from -1 to 1, as an auto-encoder of diffusers takes them."""
        x = self.train.images[rows].to(self.device).float() / 127.5 - 1
        return x.contiguous(memory_format=torch.channels_last)

    def save(self, path: Path, of: dict[str, Any]) -> None:
        """Write the checkpoint in one atomic step; `of`: what must be the same where it is read again."""
        stages = [stage.state_dict() for stage in self.stages]
        state = {"of": of, "stages": stages, "scale": self.pipe.vae.config.scaling_factor}
        state["epochs"] = [tuple(epoch) for epoch in self.epochs]
        generations.write(path, lambda file: torch.save(state, file))

    def restore(self, path: Path, of: dict[str, Any]) -> None:
        """Go on from the checkpoint, if there is one; DataError if it is of another training."""
        restored(path, of, self.device, self._load)

    def _load(self, state: dict[str, Any]) -> None:
        for stage, there in zip(self.stages, state["stages"], strict=True):
            stage.load_state_dict(there)
        self.pipe.vae.register_to_config(scaling_factor=state["scale"])
        self.epochs = [DiffusionEpoch(*epoch) for epoch in state["epochs"]]
