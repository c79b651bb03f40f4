"""The generator of CAE-DFKD: the embedding of a class, moved by one of several noises, in the place of z."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.nets.heads import Output
from dfkd_ray.nets.sharing import shared
from dfkd_ray.parts.optimizers import Adam, OptimizerSpec, optimizers
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import sources
from dfkd_ray.parts.sources.batches import Labels
from dfkd_ray.parts.sources.noisy_layer import read_embedding
from dfkd_ray.parts.sources.trained import LiveTrained
from dfkd_ray.parts.sources.upsampling import Upsampling

# Each of zero mean and unit variance, from u in (0, 1).
NOISES: tuple[Callable[[Tensor], Tensor], ...] = (
    lambda u: torch.special.ndtri(u),  # normal
    lambda u: (2 * u - 1) * 3**0.5,  # uniform
    lambda u: -torch.sign(u - 0.5) * torch.log1p(-2 * (u - 0.5).abs()) / 2**0.5,  # Laplace
    lambda u: torch.where(u < 0.5, -1.0, 1.0),  # a sign
)
FIRST = (0.1, 0.2, 0.3, 0.4)  # magnitudes at the beginning, in parts of a row's root mean square


@sources.register("category_embedding")
@dataclass(frozen=True, kw_only=True)
class CategoryEmbedding(Upsampling):
    """Embedding of the class + M_n q_n - BatchNorm - linear layer - the generator of DAFL and its relatives.

    The layer CEND of CAE-DFKD (Zhang et al., DAC 2025, arXiv:2504.21478), by a review (secondary): e_y of a text
    encoder, computed once; with N noises, q_n from the n-th and M_n its magnitude, e_y + M_n q_n feeds the generator in
    the place of z; N = 4 is best. All else is a reconstruction: which noises (normal, uniform, Laplace, a sign, each of
    unit variance), that an image gets one of them at random, that M_n is a number which is learned with the generator
    and begins at 0.1, 0.2, 0.3 and 0.4 of the rows' root mean square, and what stands between embedding and body.

    latent: length of what the linear layer gives.
    noises: N, the first so many of those; 1 is the control.
    embedding, dim: as in `noisy_layer`.
    """

    labels: Labels = "balanced"
    output: Output = "sigmoid"
    optimizer: OptimizerSpec = field(default=Adam(lr=1e-3, betas=(0.5, 0.999)), metadata={"registry": optimizers})
    noises: int = len(NOISES)
    embedding: str | None = None
    dim: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels == "none":
            raise ValueError("labels must be uniform or balanced: the noise is added to the embedding of a class")
        if self.latent_lr is not None:
            raise ValueError("latent_lr must be null: there is no z, and the noise is not learned")
        if not 1 <= self.noises <= len(NOISES):
            raise ValueError(f"noises must be 1 to {len(NOISES)}, got {self.noises}")
        if self.dim < 1:
            raise ValueError(f"dim must be at least 1, got {self.dim}")

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveCategoryEmbedding:
        if self.embedding is None:
            embedding = torch.randn(setting.classes, self.dim)
        else:
            embedding = read_embedding(self.embedding, setting.classes)
        return LiveCategoryEmbedding(self, setting, also, device, embedding.to(device))


class LiveCategoryEmbedding(LiveTrained):
    """A generator whose z is the noise (B, D), and in one more column which of the noises it is."""

    def __init__(
        self,
        spec: CategoryEmbedding,
        setting: Setting,
        also: Iterable[nn.Parameter],
        device: torch.device,
        embedding: Tensor,
    ) -> None:
        self.embedding, self.noises = embedding, spec.noises
        super().__init__(spec, setting, also, device)

    def noise(self, batch: int, rng: torch.Generator) -> Tensor:
        which = torch.randint(self.noises, (batch, 1), generator=rng, device=self.device)
        uniform = torch.rand(batch, self.embedding.shape[1], generator=rng, device=self.device).clamp(1e-6, 1 - 1e-6)
        drawn = torch.stack([noise(uniform) for noise in NOISES[: self.noises]])
        return torch.cat([drawn.gather(0, which.expand_as(uniform)[None])[0], which.to(uniform)], 1)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.embedding = self.net.get_buffer("embedding")

    def _images(self, net: nn.Module, z: Tensor, labels: Tensor | None) -> Tensor:
        images: Tensor = net(z, labels)  # whose body is shared
        return images

    def _made(self) -> nn.Module:
        return CategoryGenerator(self.embedding, super()._made(), self.spec.latent, self.noises).to(self.device)


class CategoryGenerator(nn.Module):
    """embedding: (K, D), frozen. body: takes what the linear layer gives, (B, latent), to images."""

    embedding: Tensor

    def __init__(self, embedding: Tensor, body: nn.Module, latent: int, noises: int) -> None:
        super().__init__()
        self.register_buffer("embedding", embedding)
        self.magnitudes = nn.Parameter(torch.tensor(FIRST[:noises]) * embedding.square().mean().sqrt().cpu())
        self.norm = nn.BatchNorm1d(embedding.shape[1])
        self.linear = nn.Linear(embedding.shape[1], latent)
        self.body = body

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        """(B, D + 1), (B,) -> (B, C, H, W)."""
        moved = self.embedding[labels] + self.magnitudes[noise[:, -1].long()][:, None] * noise[:, :-1]
        images: Tensor = shared(self.body, self.linear(self.norm(moved)), labels)
        return images
