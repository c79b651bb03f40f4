"""Variations of synthetic images by a frozen diffusion model, and a filter of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets import pipelines
from dfkd_ray.nets.heads import ToData, sized
from dfkd_ray.nets.pipelines import Storage
from dfkd_ray.parts.losses.checks import positive
from dfkd_ray.parts.signals import Setting, Signals
from dfkd_ray.parts.slots import Batch
from dfkd_ray.util.errors import ConfigError


@dataclass(frozen=True)
class Varied:
    """Diverse diffusion augmentation: each image is varied by a diffusion model, and a variation is kept where
    cos(f(x'), f(x)) >= omega, f the teacher's embedding; it has the label of its image.

    DDA: Li et al., "Towards Effective Data-Free Knowledge Distillation via Diverse Diffusion Augmentation", ACM MM
    2024, arXiv 2410.17606: image variations and a filter by cosine similarity, in its abstract. Neither is in the code
    that its authors released, so f, omega, and how an image is varied are reconstructions: it is encoded, taken
    int(strength N) of N timesteps into noise, one at least, and denoised from there (SDEdit, Meng et al., arXiv
    2108.01073).

    model: a folder, or a name on the hub, of a pipeline of `diffusers`: from images (which sees the image by CLIP),
        from text or from classes (DiT), which are told `prompt`, see `parts.sources.diffusion`.
    strength: how far into noise; 1: all the way, and nothing but what the model is told is left of the image.
    timesteps: N. guidance_scale: of classifier-free guidance. copies: variations of an image. similarity: omega; null:
        no filter. first: so many images of a run are varied, its first; null: all. at_once: images that are varied
        together. precision: of the frozen parts, as for the source `diffusion`.
    """

    model: str = "lambdalabs/sd-image-variations-diffusers"
    prompt: str = ""
    strength: float = 0.5
    timesteps: int = 50
    guidance_scale: float = 3.0
    copies: int = 1
    similarity: float | None = 0.6
    first: int | None = None
    at_once: int = 8
    precision: Storage = "auto"

    def __post_init__(self) -> None:
        positive(timesteps=self.timesteps, copies=self.copies, at_once=self.at_once)
        if not 1 / self.timesteps <= self.strength <= 1:
            raise ValueError(f"strength must be in [1 / timesteps, 1], got {self.strength}")
        if self.similarity is not None and not -1 <= self.similarity <= 1:
            raise ValueError(f"similarity is a cosine in [-1, 1], got {self.similarity}")
        if self.first is not None and self.first < 1:
            raise ValueError(f"first must be at least 1, got {self.first}")

    def check(self) -> None:
        pipelines.check(self.model)

    def open(self, setting: Setting, teacher: nn.Module, device: torch.device) -> LiveVaried:
        if setting.teacher.targets != "classes":
            raise ConfigError.at("", f"a teacher that tells {setting.teacher.targets} has no embedding of an image")
        pipeline = pipelines.load(self.model, self.prompt, setting.names, device, precision=self.precision, varies=True)
        return LiveVaried(self, pipeline, setting, teacher, device)


class LiveVaried:
    """Counts what it has seen, made and kept."""

    def __init__(
        self,
        spec: Varied,
        pipeline: pipelines.Pipeline,
        setting: Setting,
        teacher: nn.Module,
        device: torch.device,
    ) -> None:
        self.spec, self.pipeline, self.teacher, self.image = spec, pipeline, teacher, setting.image
        self.to_data = ToData(setting.mean, setting.std).to(device)
        self.seen = self.made = self.held = 0  # images, their variations, those that were kept

    @property
    def share(self) -> float:
        """Of the variations so far that were kept."""
        return self.held / self.made if self.made else 0.0

    @torch.no_grad()
    def of(self, batch: Batch, rng: torch.Generator) -> Batch:
        """The variations of a batch that are kept, any number of them."""
        left = len(batch.images) if self.spec.first is None else max(0, self.spec.first - self.seen)
        self.seen += len(batch.images)
        images = batch.images[:left].repeat(self.spec.copies, 1, 1, 1)
        labels = None if batch.labels is None else batch.labels[:left].repeat(self.spec.copies)
        if not len(images):
            return Batch(images, labels)
        rows = torch.split(torch.arange(len(images), device=images.device), self.spec.at_once)
        varied = torch.cat([self._varied(images[own], None if labels is None else labels[own], rng) for own in rows])
        keep = self._near(varied, images)
        self.made, self.held = self.made + len(keep), self.held + int(keep.sum())
        return Batch(varied[keep], None if labels is None else labels[keep])

    def _varied(self, images: Tensor, labels: Tensor | None, rng: torch.Generator) -> Tensor:
        """A variation of each image (B, C, H, W), both in the teacher's input space."""
        spec, pipeline = self.spec, self.pipeline
        pictures = self.to_data.pictures(images).clamp(0, 1)
        told = pipeline.look(pictures, labels)
        steps = max(1, int(spec.strength * spec.timesteps))  # 49 * (1 / 49) is just below 1
        times = pipeline.times(spec.timesteps)[-steps:]
        if spec.strength < 1:
            z = pipeline.noised(pipeline.encode(pictures), times[0], rng)
        else:
            z = torch.randn(len(images), *pipeline.latent, generator=rng, device=images.device)
        for t in times:
            z = pipeline.back(z, pipeline.predict(z, t, told, spec.guidance_scale), t, rng)
        found: Tensor = self.to_data(sized(pipeline.decode(z), self.image))
        return found

    def _near(self, varied: Tensor, images: Tensor) -> Tensor:
        """Whether the teacher finds each variation like its image, (B,) bool."""
        if self.spec.similarity is None:
            return torch.ones(len(images), dtype=torch.bool, device=images.device)
        of_varied, of_image = (
            Signals(each, None, self.teacher, self.teacher).teacher.embedding for each in (varied, images)
        )
        return F.cosine_similarity(of_varied, of_image) >= self.spec.similarity

    def state_dict(self) -> dict[str, int]:
        return {name: getattr(self, name) for name in ("seen", "made", "held")}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        self.seen, self.made, self.held = state["seen"], state["made"], state["held"]
