"""A frozen latent diffusion model, as a teacher guides it: predict, estimate, decode, one step back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from dfkd_ray.nets.heads import sized
from dfkd_ray.nets.sharing import shared
from dfkd_ray.util.errors import ConfigError

CLIP = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))  # mean and deviation of its pixels


class Pipeline:
    """The parts of a latent diffusion pipeline, frozen, and what it is told to paint.

    net: predicts the noise; decoder: an auto-encoder that takes latents to images; scheduler: that of DDPM (Ho et al.,
    arXiv:2006.11239) with the pipeline's own noise levels. told: a condition for each class, or one for all; plain:
    that of no prompt; both without gradient. latent: (C, h, w) of one image's latent. decode_at_once: images whose
    decoder activations exist at one time where a gradient is wanted; None: all, without recomputation.

    Latents are float32 throughout; the parts compute in their own precision.
    """

    def __init__(
        self,
        net: nn.Module,
        decoder: nn.Module,
        scheduler: Any,
        told: Tensor,
        plain: Tensor,
        decode_at_once: int | None = None,
    ) -> None:
        self.net, self.decoder, self.scheduler = net, decoder, scheduler
        self.told, self.plain = told, plain
        self.decode_at_once = decode_at_once
        size = net.config.sample_size  # type: ignore[union-attr]
        self.latent = (int(net.config.in_channels), int(size), int(size))  # type: ignore[union-attr, arg-type]
        self.half = torch.float16 in (_dtype(net), _dtype(decoder))  # a gradient may underflow on its way through it
        self.same = len(told) == 1 and torch.equal(told, plain)  # told nothing: there is no second prediction to make

    def times(self, steps: int) -> list[int]:
        """So many timesteps, from noise to image."""
        self.scheduler.set_timesteps(steps)
        return [int(t) for t in self.scheduler.timesteps]

    def predict(self, z: Tensor, t: int, labels: Tensor, scale: float) -> Tensor:
        """eps = eps_u + s (eps_c - eps_u) for latents (B, C, h, w) of classes (B,): classifier-free guidance (Ho and
        Salimans, arXiv:2207.12598), both predictions in one pass of 2B."""
        told = self.told[labels] if len(self.told) > 1 else self.told.expand(len(z), *self.told.shape[1:])
        if scale == 1 or self.same:
            return self._run(z, t, told)
        plain = self.plain.expand(len(z), *self.plain.shape[1:])
        without, given = self._run(torch.cat([z, z]), t, torch.cat([plain, told])).chunk(2)
        return without + scale * (given - without)

    def estimate(self, z: Tensor, predicted: Tensor, t: int) -> Tensor:
        """z0 as it is to be expected at z_t, differentiable: (z_t - sqrt(1 - abar_t) eps) / sqrt(abar_t) where eps is
        what the net predicts (eq. 15 of arXiv:2006.11239); else from v (Salimans and Ho, arXiv:2202.00512) or z0."""
        kind = self.scheduler.config.prediction_type
        if kind == "sample":
            return predicted
        abar = self.scheduler.alphas_cumprod[t].to(z.device)
        if kind == "v_prediction":
            out: Tensor = abar.sqrt() * z - (1 - abar).sqrt() * predicted
        else:
            out = (z - (1 - abar).sqrt() * predicted) / abar.sqrt()
        return out

    def back(self, z: Tensor, predicted: Tensor, t: int, rng: torch.Generator) -> Tensor:
        """z_{t-1} from z_t: a step of DDPM with noise of its own."""
        out: Tensor = self.scheduler.step(predicted, t, z, generator=rng).prev_sample
        return out

    def noised(self, z0: Tensor, t: int, rng: torch.Generator) -> Tensor:
        """z_t = sqrt(abar_t) z0 + sqrt(1 - abar_t) eps, eps ~ N(0, I): the way of z0 into noise (eq. 4 there)."""
        abar = self.scheduler.alphas_cumprod[t].to(z0.device)
        out: Tensor = abar.sqrt() * z0 + (1 - abar).sqrt() * torch.randn(z0.shape, generator=rng, device=z0.device)
        return out

    def look(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        """What `predict` is to take for labels where these pictures (B, C, H, W) in [0, 1] are varied."""
        if labels is None and len(self.told) > 1:
            raise ConfigError.at("prompt", "has {name}, and the source of this method asks for no class")
        return torch.zeros(len(pictures), dtype=torch.int64, device=pictures.device) if labels is None else labels

    def encode(self, pictures: Tensor) -> Tensor:
        """Latents (B, C, h, w), float32, of pictures in [0, 1] of any size: the means of what the auto-encoder tells.

        Of a pipeline that was loaded to vary pictures.
        """
        latents: Tensor = shared(self._encoded, pictures)
        return latents

    def _encoded(self, pictures: Tensor) -> Tensor:
        config: Any = self.decoder.config
        side = self.latent[1] << (len(config.block_out_channels) - 1)
        pictures = sized(pictures, (config.in_channels, side, side)).expand(-1, config.in_channels, -1, -1)
        told = self.decoder.encode((2 * pictures - 1).to(_dtype(self.decoder))).latent_dist  # type: ignore[operator]
        out: Tensor = (told.mode().float() - _shift(config)) * config.scaling_factor
        return out

    def decode(self, z0: Tensor) -> Tensor:
        """Images (B, 3, H, W) in [0, 1], float32, of latents (B, C, h, w); differentiable."""
        images: Tensor = shared(self._decoded_all, z0)
        return images

    def _decoded_all(self, z0: Tensor) -> Tensor:
        most = self.decode_at_once
        if most is None or not (torch.is_grad_enabled() and z0.requires_grad):
            parts = [self._decoded(part) for part in torch.split(z0, most or len(z0))]
        else:
            parts = [checkpoint(self._decoded, part, use_reentrant=False) for part in torch.split(z0, most)]
        return torch.cat(parts)

    def _decoded(self, z0: Tensor) -> Tensor:
        config: Any = self.decoder.config
        z0 = z0 / config.scaling_factor + _shift(config)
        out = self.decoder.decode(z0.to(_dtype(self.decoder))).sample  # type: ignore[operator]
        images: Tensor = (out.float() / 2 + 0.5).clamp(0, 1)
        return images

    def _run(self, z: Tensor, t: int, condition: Tensor) -> Tensor:
        """What the net predicts, (B, C, h, w) float32."""

        def predicted(z: Tensor, told: Tensor) -> Tensor:
            return self._predicted(z.to(_dtype(self.net)), torch.full((len(z),), t, device=z.device), told)

        out: Tensor = shared(predicted, z, condition)
        return out[:, : z.shape[1]].float()  # a net that learned the variance too has it behind

    def _predicted(self, z: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        raise NotImplementedError


def _dtype(module: nn.Module) -> torch.dtype:
    return next(module.parameters()).dtype


def _shift(coder: Any) -> float:
    return getattr(coder, "shift_factor", None) or 0.0


class TextToImage(Pipeline):
    """Stable Diffusion and its like: the condition is the text's embedding, (L, D) a prompt."""

    def _predicted(self, z: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        out: Tensor = self.net(z, t, encoder_hidden_states=condition.to(z.dtype)).sample
        return out


class ClassToImage(Pipeline):
    """DiT (Peebles and Xie, arXiv:2212.09748): the condition is a class, or the one that stands for none."""

    def _predicted(self, z: Tensor, t: Tensor, condition: Tensor) -> Tensor:
        out: Tensor = self.net(z, timestep=t, class_labels=condition).sample
        return out


class ImageToImage(TextToImage):
    """Stable Diffusion that was tuned to CLIP's embedding of a picture, (1, D), in the place of a text's.

    By the card of `lambdalabs/sd-image-variations-diffusers`: bicubic without antialiasing, and no condition is zeros.
    """

    eye: nn.Module  # CLIP's image encoder

    def look(self, pictures: Tensor, labels: Tensor | None) -> Tensor:
        self.told, self.same = shared(self._embedded, pictures)[:, None], False
        return torch.arange(len(pictures), device=pictures.device)

    def _embedded(self, pictures: Tensor) -> Tensor:
        side = int(self.eye.config.image_size)  # type: ignore[union-attr, arg-type]
        mean, std = (torch.tensor(each, device=pictures.device)[:, None, None] for each in CLIP)
        enlarged = F.interpolate(pictures, (side, side), mode="bicubic")
        found: Tensor = self.eye(((enlarged - mean) / std).to(_dtype(self.eye))).image_embeds
        return found
