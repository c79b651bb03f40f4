"""The generator of DAFL and its relatives."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dfkd_ray.nets.initialisation import Initialisation
from dfkd_ray.nets.sharing import shared
from dfkd_ray.nets.upsampling import UpsamplingGenerator
from dfkd_ray.parts.signals import Setting, mode
from dfkd_ray.parts.slots import sources
from dfkd_ray.parts.sources.trained import LiveTrained, Trained
from dfkd_ray.util.errors import ConfigError


@sources.register("upsampling")
@dataclass(frozen=True, kw_only=True)
class Upsampling(Trained):
    """Upsample and convolve: the generator of DAFL (Chen et al., arXiv:1904.01186) and nearly all its relatives.

    width: channels of the last block, 64 in their codes. doublings: 2 in their codes for 32 pixels.
    start_widths: channels of the first map, in widths: 2 in most codes, 4 in that of CMI for its baselines.
    block_eps: the epsilon of BatchNorm in the blocks, torch's own in most codes, 0.8 in DAFL's and PRE-DFKD's.
    spectral_norm: on the weights of the convolutions, as in PRE-DFKD (arXiv:2201.03019).
    init: how the weights begin, see `nets.initialisation`; null: as torch draws them, as in most codes.
    """

    width: int = 64
    doublings: int = 2
    start_widths: int = 2
    block_eps: float = 1e-5
    spectral_norm: bool = False
    init: Initialisation | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("width", "start_widths"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if not self.block_eps > 0:
            raise ValueError(f"block_eps must be > 0, got {self.block_eps}")

    def open(self, setting: Setting, also: Iterable[nn.Parameter], device: torch.device) -> LiveTrained:
        return LiveUpsampling(self, setting, also, device)

    def build(self, setting: Setting) -> nn.Module:
        return UpsamplingGenerator(
            self.latent,
            self.image(setting),
            width=self.width,
            doublings=self.doublings,
            start_widths=self.start_widths,
            block_eps=self.block_eps,
            init=self.init,
            spectral_norm=self.spectral_norm,
            output=self.output,
            mean=setting.mean,
            std=setting.std,
            condition=self.conditioner(setting),
        )


class LiveUpsampling(LiveTrained):
    """A generator that can hand over the feature maps of its images, and make images of such maps."""

    wanted = False

    def keep_maps(self) -> None:
        """From now on a round keeps the feature maps of what it hands over."""
        if self.average is not None:
            raise ConfigError.at("", "a source with ema gives images of two networks, which have no maps in common")
        if self.spec.shrink > 1:
            raise ConfigError.at("", "a source that shrinks gives images that were enlarged, of which it keeps no maps")
        self.wanted = True

    @torch.no_grad()
    def sample_maps(self, batch: int, rng: torch.Generator) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """The feature maps of a batch of `sample`, from the first to the last, and the labels of the images."""
        if self.maps and self.kept is not None:
            return self.maps, self.kept.labels
        self.net.train()
        z, labels = self.noise(batch, rng), self.draw_labels(batch, rng)
        return tuple(self._layers(z, labels)), labels

    @torch.no_grad()
    def decode(self, maps: Tensor, depth: int, labels: Tensor | None) -> Tensor:
        """Images from maps of that depth, as the network is now; no state changes."""
        with mode(self.net, training=False):
            return self._decoded(maps, depth, labels)

    def _draw(self, z: Tensor, labels: Tensor | None) -> tuple[Tensor, tuple[Tensor, ...]]:
        if not self.wanted:
            return super()._draw(z, labels)
        maps = self._layers(z, labels)
        return self._decoded(maps[-1], len(maps) - 1, labels), tuple(maps)

    def _layers(self, z: Tensor, labels: Tensor | None) -> list[Tensor]:
        maps: list[Tensor] = shared(self.net.features, z, labels)  # type: ignore[arg-type]
        return maps

    def _decoded(self, maps: Tensor, depth: int, labels: Tensor | None) -> Tensor:
        images: Tensor = shared(lambda each, asked: self.net.decode(each, depth, asked), maps, labels)  # type: ignore[operator]
        return images
