"""The encoder of PRE-DFKD's memory: images to the distribution of a z."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets import channels_last
from dfkd_ray.nets.heads import check_sides
from dfkd_ray.nets.initialisation import initialise
from dfkd_ray.nets.precision import SingleLinear

HALVINGS = 3


class Encoder(nn.Module):
    """Images (B, C, H, W) -> mean and logarithm of the variance of z, (B, latent) each.

    The encoder in the code of PRE-DFKD (Binici et al., AAAI 2022, arXiv:2201.03019): pixels are scaled to length 1
    along each column; conv3x3(w), conv3x3(2w), both with BatchNorm of epsilon 0.8 and LeakyReLU(0.2); every second
    pixel; conv3x3(2w) of stride 2 with BatchNorm of torch's epsilon; every second pixel; a linear layer for either
    output. All weights begin as U(-0.08, 0.08), all biases as 0.

    latent: length of z. image: (C, H, W); H and W are multiples of 8. width: w, 64 in the code.
    """

    def __init__(self, latent: int, image: tuple[int, int, int], width: int = 64) -> None:
        super().__init__()
        channels, height, width_px = image
        check_sides(HALVINGS, HALVINGS, height, width_px)
        self.blocks = nn.Sequential(_block(channels, width), _block(width, 2 * width))
        self.reduce = nn.Sequential(nn.Conv2d(2 * width, 2 * width, 3, 2, padding=1), nn.BatchNorm2d(2 * width))
        length = 2 * width * (height >> HALVINGS) * (width_px >> HALVINGS)
        self.mean, self.log_var = SingleLinear(length, latent), SingleLinear(length, latent)
        initialise(self, "uniform")

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, C, H, W) -> (B, latent), (B, latent)."""
        maps = channels_last.subsample(self.blocks(F.normalize(images, dim=2)), 2)
        read = channels_last.subsample(self.reduce(maps), 2).flatten(1)
        return self.mean(read), self.log_var(read)


def _block(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.BatchNorm2d(outputs, eps=0.8),
        nn.LeakyReLU(0.2, inplace=True),
    )
