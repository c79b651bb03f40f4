"""The generator of NAYER: no noise goes in, a layer of noise turns the embedding of a class into something new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.heads import Output
from dfkd_ray.nets.sharing import shared
from dfkd_ray.parts.optimizers import Adam, OptimizerSpec, optimizers
from dfkd_ray.parts.signals import Setting
from dfkd_ray.parts.slots import ImageLoss, sources
from dfkd_ray.parts.sources.batches import Labels
from dfkd_ray.parts.sources.trained import LiveTrained
from dfkd_ray.parts.sources.upsampling import Upsampling
from dfkd_ray.util.errors import ConfigError


@sources.register("noisy_layer")
@dataclass(frozen=True, kw_only=True)
class NoisyLayer(Upsampling):
    """Embedding of the class (frozen) - BatchNorm - noisy linear layer - the generator of DAFL and its relatives.

    NAYER (Tran et al., CVPR 2024, arXiv:2310.00258), as in its code: the weights of the noisy layer are drawn from
    N(0, 1) in every round, its biases are 0, one layer for each K images of a batch in a row, which with balanced
    labels have each of the K classes once: images of one class differ by their layers alone. Within the round the layer
    learns with the rest; the optimisers are new in each round. In the terms of all generators it is the z.

    latent: length of what the noisy layer gives. latent_lr: the rate at which it learns, in the code that of the
        generator; null: drawn anew in each step.
    embedding: a .safetensors file with one tensor (K, D), the embeddings of the class names by a text encoder in the
        order of the task's classes. NAYER's are CLIP's, of the names in a short phrase. null: rows drawn from N(0, I)
        once a run, which tell the classes apart but know nothing of their names (reconstruction).
    dim: length of the drawn rows, CLIP's 512; a file brings its own.
    """

    latent: int = 1000
    latent_lr: float | None = 4e-3
    labels: Labels = "balanced"
    gives: Literal["new", "last", "best"] = "best"
    output: Output = "sigmoid"
    optimizer: OptimizerSpec = field(default=Adam(lr=4e-3, betas=(0.5, 0.999)), metadata={"registry": optimizers})
    embedding: str | None = None
    dim: int = 512

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.labels == "none":
            raise ValueError("labels must be uniform or balanced: a noisy layer works on the embedding of a class")
        if self.dim < 1:
            raise ValueError(f"dim must be at least 1, got {self.dim}")

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveNoisyLayer:
        if self.embedding is None:
            embedding = torch.randn(setting.classes, self.dim)
        else:
            embedding = read_embedding(self.embedding, setting.classes)
        return LiveNoisyLayer(self, setting, also, device, embedding.to(device))


class LiveNoisyLayer(LiveTrained):
    """A generator whose z is a stack of linear layers; the embedding outlives the generators."""

    def __init__(
        self,
        spec: NoisyLayer,
        setting: Setting,
        also: Iterable[nn.Parameter],
        device: torch.device,
        embedding: Tensor,
    ) -> None:
        self.embedding = embedding
        super().__init__(spec, setting, also, device)

    def improve(
        self, batch: int, steps: int, image_loss: ImageLoss, rng: torch.Generator, progress: float
    ) -> Iterator[dict[str, Tensor]]:
        if steps:
            self.optimizer = self.new_optimizer()
        yield from super().improve(batch, steps, image_loss, rng, progress)

    def noise(self, batch: int, rng: torch.Generator) -> Tensor:
        """Layers for so many images, (G, latent, D + 1): weights N(0, 1), and biases 0 in the last column."""
        classes, dim = self.embedding.shape
        layers = -(-batch // classes)
        weights = torch.randn(layers, self.spec.latent, dim, generator=rng, device=self.device)
        return F.pad(weights, (0, 1))

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.embedding = self.net.get_buffer("embedding")

    def _images(self, net: nn.Module, z: Tensor, labels: Tensor | None) -> Tensor:
        images: Tensor = net(z, labels)  # whose body is shared: a noisy layer belongs to several images
        return images

    def _made(self) -> nn.Module:
        return NoisyGenerator(self.embedding, super()._made()).to(self.device)


class NoisyGenerator(nn.Module):
    """embedding: (K, D), frozen. body: takes what the noisy layers give, (B, latent), to images."""

    embedding: Tensor

    def __init__(self, embedding: Tensor, body: nn.Module) -> None:
        super().__init__()
        self.register_buffer("embedding", embedding)
        self.norm = nn.BatchNorm1d(embedding.shape[1])
        self.body = body

    def forward(self, layers: Tensor, labels: Tensor) -> Tensor:
        """(G, latent, D + 1), (B,) -> (B, C, H, W): layer g is that of the images g K to (g + 1) K."""
        inputs = F.pad(self.norm(self.embedding[labels]), (0, 1), value=1.0)  # a 1 for the bias
        groups, classes = len(layers), len(self.embedding)
        inputs = F.pad(inputs, (0, 0, 0, groups * classes - len(labels))).view(groups, classes, -1)
        given = torch.bmm(inputs, layers.mT).flatten(0, 1)[: len(labels)]
        images: Tensor = shared(self.body, given, labels)
        return images


def read_embedding(path: str, classes: int) -> Tensor:
    """(K, D) float32 from a .safetensors file; ConfigError if there is none here, or if it holds anything else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    wanted = f"one tensor of shape ({classes}, D), a row for each class in the task's order"
    try:
        tensors = load_file(path)
    except FileNotFoundError:
        hint = "every machine that runs this needs it; null draws one"
        raise ConfigError.at("embedding", f"there is no file {path} on this machine: {hint}") from None
    except (OSError, SafetensorError) as error:
        raise ConfigError.at("embedding", f"{path} is no .safetensors file: {error}") from None
    if len(tensors) != 1:
        raise ConfigError.at("embedding", f"{path} should hold {wanted}, got {len(tensors)}: {', '.join(tensors)}")
    embedding: Tensor = next(iter(tensors.values()))
    if embedding.dim() != 2 or len(embedding) != classes or not embedding.shape[1]:
        raise ConfigError.at("embedding", f"{path} should hold {wanted}, got {tuple(embedding.shape)}")
    if not embedding.float().isfinite().all():
        raise ConfigError.at("embedding", f"{path} has values that are not finite")
    return embedding.float()
