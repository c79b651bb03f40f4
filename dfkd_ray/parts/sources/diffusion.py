"""Images that a frozen diffusion model paints while the teacher guides it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from dfkd_ray.nets import pipelines
from dfkd_ray.nets.fusing import gradient
from dfkd_ray.nets.heads import sized
from dfkd_ray.nets.pipelines import Pipeline, Storage
from dfkd_ray.nets.precision import LossScaler
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import Batch, ImageLoss, sources
from dfkd_ray.parts.sources.batches import Labels
from dfkd_ray.parts.sources.latents import Augmentation, augmentations
from dfkd_ray.parts.sources.prompts import Prompts
from dfkd_ray.util.choices import Precision
from dfkd_ray.util.errors import ConfigError

SHOWN, FIRST_SCALE = 256, 2.0**10  # images kept to be shown, at most; of a trajectory's losses in float16
LEVERS = ("checkpointing", "decode_at_once", "compile")  # on memory and speed, and on nothing else


@sources.register("diffusion")
@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """A latent diffusion model whose latents descend the source loss on their way: DiffDFKD (arXiv:2504.00870).

    The algorithm is that of the released code and of the code that it derives from, whose guidance gradient is not cut.
    schedule.batch images make a round; schedule.source_steps: guidance updates in each timestep, 1 in the paper. 0, or
    a source loss without terms, paints without guidance, and then nothing but the painting is computed.

    model: a folder, or the name of a pipeline of `diffusers` on the hub: from text (Stable Diffusion), or from classes
        (DiT). prompt: what it is told. With {name} it is told the class too (a pipeline from classes is told the class
        then, else none); without, the class comes from the teacher alone, which is the code's default.
    prompts: phrases in the place of {name}, and who chooses among them, see `parts.sources.prompts`; null: the names.
    timesteps: N. guidance_scale: s of classifier-free guidance. 50 and 3 are the code's defaults.
    lr: the length of a guidance step; 1 in the code. The gradient is that of the batch's sum, so a latent is guided
        alike in a batch of any size; the code's batch is 1.
    augment: what is done to the latents `parts` times on the way, see `parts.sources.latents`; null: nothing, which is
        the code's default. The paper's is "cutmix".
    parts: 5 in the code, for the augmentation alone: every floor(N / parts) timesteps, after the update.
    kept: decoded estimates of a trajectory that are kept: the final image, and the estimate at every floor(N / kept)-th
        timestep before. 5 in the code; 1: the final image alone (the code's switch `min_loss`).
    at_once: latents that are denoised together, all of one class, the partners of CutMix; 1 in the code: no partners.
    init_bn_steps: updates by the BatchNorm prior alone before the first timestep; 10 in the code it derives from.
    decoder: an AutoencoderTiny (folder or hub name) in place of the pipeline's own decoder, for estimates and images.
    precision, decoder_precision: of the frozen parts; "auto": float32 on a CPU, bfloat16 or float16 on a GPU; the
        decoder's "auto" is the pipeline's.
    checkpointing: recompute activations of network and decoder in the backward pass. decode_at_once: decode so many
        images at a time, and recompute them so, which saves more. compile: torch.compile for the network. These three
        are levers on memory and speed alone.
    """

    labels: ClassVar[Labels] = "balanced"  # a class a trajectory, all in turn

    model: str = "stable-diffusion-v1-5/stable-diffusion-v1-5"
    prompt: str = "A realistic photo."
    prompts: Prompts | None = None
    timesteps: int = 50
    guidance_scale: float = 3.0
    lr: float = 1.0
    augment: Augmentation | None = field(default=None, metadata={"registry": augmentations})
    parts: int = 5
    kept: int = 5
    at_once: int = 8
    init_bn_steps: int = 0
    decoder: str | None = None
    precision: Storage = "auto"
    decoder_precision: Storage = "auto"
    checkpointing: bool = True
    decode_at_once: int | None = None
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("timesteps", "parts", "kept", "at_once", "decode_at_once"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.init_bn_steps < 0:
            raise ValueError(f"init_bn_steps must be at least 0, got {self.init_bn_steps}")
        if self.timesteps < max(self.kept, self.parts):
            raise ValueError(f"timesteps must be at least kept and parts, got {self.timesteps}")
        if not self.lr > 0:
            raise ValueError(f"lr must be > 0, got {self.lr}")
        if self.prompts is not None and "{name}" not in self.prompt:
            raise ValueError("prompts take the place of {name} in prompt, which has none")

    def check(self) -> None:
        pipelines.check(self.model)

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveDiffusion:
        if list(also):
            raise ConfigError.at("", "a diffusion model is frozen, and a term of source_loss wants to learn with it")
        settings = {name: getattr(self, name) for name in ("precision", "decoder", "decoder_precision", *LEVERS)}
        names = setting.names if self.prompts is None else self.prompts.words
        return LiveDiffusion(self, pipelines.load(self.model, self.prompt, names, device, **settings), setting, device)


class Estimate(NamedTuple):
    """What is kept of a timestep: the estimate as pictures (B, 3, H, W) in [0, 1], and what the source loss said."""

    timestep: int  # from 1; N is the finished picture
    pictures: Tensor
    losses: dict[str, Tensor]


class LiveDiffusion:
    """The images of the last round, some of each class to be shown, and whose turn it is: all that outlives a round."""

    def __init__(self, spec: Diffusion, pipeline: Pipeline, setting: Setting, device: torch.device) -> None:
        self.spec, self.pipeline, self.setting, self.device = spec, pipeline, setting, device
        self.mean, self.std = (torch.tensor(v, device=device)[:, None, None] for v in (setting.mean, setting.std))
        self.precision: Precision = "float16" if pipeline.half else setting.precision  # the least on a gradient's way
        self.policy = None if spec.prompts is None else spec.prompts.open(setting.classes, device)
        self.scaler = LossScaler(self.precision, self.device, FIRST_SCALE)
        self.skipped = 0  # guidance updates
        self.turn = 0  # trajectories done: the classes take turns
        self.kept: Batch | None = None
        none = torch.empty(0, *setting.image, device=device)
        self.shown = none, torch.empty(0, dtype=torch.int64, device=device)  # images and labels
        self.estimates: list[Estimate] = []  # of the last trajectory, the finished image first

    def improve(
        self, batch: int, steps: int, image_loss: ImageLoss, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        images, labels = list[Tensor](), list[Tensor]()
        for size in self.trajectories(batch):
            yield from self.trajectory(self.turn % self.setting.classes, size, steps, image_loss, rng)
            self.turn += 1
            seen = [self.seen(estimate.pictures) for estimate in self.estimates]
            images, labels = [*images, *seen], [*labels, *[self.asked] * len(seen)]
            self._show(seen[0])
        self.kept = Batch(torch.cat(images)[:batch], torch.cat(labels)[:batch])

    def trajectories(self, batch: int) -> list[int]:
        """How many latents each trajectory of a round has."""
        latents = -(-batch // self.spec.kept)
        whole, rest = divmod(latents, self.spec.at_once)
        return [self.spec.at_once] * whole + [rest] * (rest > 0)

    def updates(self, batch: int, steps: int) -> int:
        """Guidance updates of a round: `steps` in each timestep of each trajectory but its last."""
        return len(self.trajectories(batch)) * (self.spec.timesteps - 1) * steps

    def trajectory(
        self, label: int, size: int, steps: int, image_loss: ImageLoss, rng: torch.Generator
    ) -> Iterator[dict[str, Tensor]]:
        """Latents from noise to images of one class; yields the losses of each guidance update."""
        spec, pipeline = self.spec, self.pipeline
        self.asked = torch.full((size,), label, device=self.device)
        told = label if self.policy is None else self.policy.draw(label, rng)
        self.told = torch.full_like(self.asked, told)
        self.estimates = []
        self.scaler = LossScaler(self.precision, self.device, FIRST_SCALE)  # no trajectory depends on those before it
        z = torch.randn(size, *pipeline.latent, generator=rng, device=self.device)
        times = pipeline.times(spec.timesteps)
        for _ in range(spec.init_bn_steps if steps else 0):
            z, _, _ = self._guided(z, times[0], image_loss, only="batchnorm")
        for number, t in enumerate(times[:-1], 1):
            keep, found = number in self._kept_at, None
            for _ in range(steps):
                z, pictures, losses = self._guided(z, t, image_loss)
                found = found or Estimate(number, pictures, losses)
                yield losses
            if spec.augment is not None and number % (spec.timesteps // spec.parts) == 0:
                z = spec.augment(z, rng)
            z, pictures = self._back(z, t, rng, decoded=keep and found is None)
            if keep:
                self.estimates.append(found or Estimate(number, pictures, {}))
        z, _ = self._back(z, times[-1], rng, decoded=False)
        with torch.no_grad():
            self.estimates.insert(0, Estimate(spec.timesteps, pipeline.decode(z), {}))
            said = None if self.policy is None else image_loss(self.seen(self.estimates[0].pictures), self.asked)
        if self.policy is not None and said is not None:
            yield self.policy.learn(label, told, float(said[0]), said[1])
        self.skipped += self.scaler.skipped

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        """The images of the last round; noise before the first one. An evaluation gets finished images of the classes
        whose turn was last, over again where it wants more: there is no way to others but the whole trajectory, and so
        the student knows them."""
        if self.kept is None:
            shape = (batch, *self.setting.image)
            labels = torch.arange(batch, device=self.device) % self.setting.classes
            return Batch(torch.randn(shape, generator=rng, device=self.device), labels)
        if training:
            return self.kept
        images, labels = self.shown
        rows = torch.arange(batch, device=self.device)
        rows = rows % len(images) if batch > len(images) else rows * len(images) // batch  # evenly over the classes
        return Batch(images[rows], labels[rows])

    def state_dict(self) -> dict[str, Any]:
        kept = None if self.kept is None else tuple(self.kept)
        policy = {} if self.policy is None else {"policy": self.policy.state_dict()}
        return {"turn": self.turn, "skipped": self.skipped, "kept": kept, "shown": self.shown, **policy}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.turn, self.skipped = state["turn"], state.get("skipped", 0)
        self.kept = None if state["kept"] is None else Batch(*state["kept"])
        self.shown = state["shown"]
        if self.policy is not None:
            self.policy.load_state_dict(state["policy"])

    def _show(self, finished: Tensor) -> None:
        """Some finished images of a class join those that are shown, in the place of the oldest."""
        some = max(1, SHOWN // self.setting.classes)
        images, labels = self.shown
        self.shown = torch.cat([images, finished[:some]])[-SHOWN:], torch.cat([labels, self.asked[:some]])[-SHOWN:]

    def _guided(
        self, z: Tensor, t: int, image_loss: ImageLoss, only: str | None = None
    ) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """z_t after one step down the gradient of the image loss, which crosses decoder and network; the images of
        that loss, and its values."""
        with torch.enable_grad():
            z = z.detach().requires_grad_()
            pictures = self.pipeline.decode(self.pipeline.estimate(z, self._predicted(z, t), t))
            loss, losses = image_loss(self.seen(pictures), self.asked, only=only)
            if loss.requires_grad:
                z.grad = gradient(self.scaler.scale(len(z) * loss), z)
                if self.scaler.unscale(torch.optim.SGD([z])):  # which holds the gradient, and never steps
                    z = z - self.spec.lr * z.grad
        return z.detach(), pictures.detach(), losses

    @torch.no_grad()
    def _back(self, z: Tensor, t: int, rng: torch.Generator, decoded: bool) -> tuple[Tensor, Tensor]:
        """z_{t-1}, and the estimate at z_t as pictures where they are wanted."""
        predicted = self._predicted(z, t)
        pictures = self.pipeline.decode(self.pipeline.estimate(z, predicted, t)) if decoded else z
        return self.pipeline.back(z, predicted, t, rng), pictures

    def _predicted(self, z: Tensor, t: int) -> Tensor:
        told = self.asked if self.policy is None else self.told
        return self.pipeline.predict(z, t, told, self.spec.guidance_scale)

    def seen(self, pictures: Tensor) -> Tensor:
        """Pictures (B, 3, H, W) in [0, 1] in the teacher's input space: at its size and in its normalisation."""
        return (sized(pictures, self.setting.image) - self.mean) / self.std

    @property
    def _kept_at(self) -> set[int]:
        every = self.spec.timesteps // self.spec.kept
        return {every * number for number in range(1, self.spec.kept)}
