"""The parts of a pipeline, as small as they can be: what is tested is what is done with them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.nets.pipelines.pipeline import TextToImage

LATENT = (4, 8, 8)
CLASSES = 5


class Net(nn.Module):
    """Predicts noise from latents, timestep and text; remembers whether a gradient was wanted."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(in_channels=LATENT[0], sample_size=LATENT[1])
        self.conv = nn.Conv2d(4, 4, 3, padding=1)
        self.calls: list[tuple[int, int, bool]] = []  # batch, timestep, gradient

    def forward(self, z: Tensor, t: Tensor, encoder_hidden_states: Tensor) -> Any:
        self.calls.append((len(z), int(t[0]), torch.is_grad_enabled()))
        told = encoder_hidden_states.mean(1)[:, :, None, None]
        return SimpleNamespace(sample=torch.tanh(self.conv(z) + told + t[:, None, None, None] / 1000))


class Decoder(nn.Module):
    """Twice the side, three channels."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(scaling_factor=0.5)
        self.conv = nn.ConvTranspose2d(4, 3, 2, 2)
        self.calls: list[int] = []

    def decode(self, z: Tensor) -> Any:
        self.calls.append(len(z))
        return SimpleNamespace(sample=torch.tanh(self.conv(z)))


def pipeline(told: int = 1, **fields: Any) -> TextToImage:
    """Frozen stubs under the scheduler of Stable Diffusion; told: conditions, one for all or one a class."""
    from diffusers import DDPMScheduler

    with torch.random.fork_rng():
        torch.manual_seed(0)
        net, decoder = Net(), Decoder()
        words, plain = torch.randn(told, 3, 4), torch.randn(1, 3, 4)
    for part in (net, decoder):
        part.eval().requires_grad_(False)
    noise = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
    scheduler = DDPMScheduler(**noise, clip_sample=False, steps_offset=1)
    return TextToImage(net, decoder, scheduler, words, plain, **fields)
