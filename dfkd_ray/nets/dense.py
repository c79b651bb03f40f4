"""Networks with an output for each position of an image, for segmentation and depth: small ones, for small images.

- `unet4` to `unet32`: Ronneberger, Fischer and Brox, "U-Net", MICCAI 2015, arXiv:1505.04597, of three scales and that
  many channels on the first; padded convolutions and BatchNorm, as its re-implementations have them.
- `fcn4` to `fcn32`: the same way down, and a score on every scale, coarse ones enlarged and added: the skips of Long,
  Shelhamer and Darrell, "Fully Convolutional Networks for Semantic Segmentation", CVPR 2015, arXiv:1411.4038.

Neither paper has nets of this size: widths and depths are ours. Sides need not be multiples of 4.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.nets.builders import Builder, classifiers, dense
from dfkd_ray.nets.taps import Taps

SCALES = 3


def _block(inputs: int, outputs: int) -> nn.Sequential:
    """Two 3x3 convolutions, each with BatchNorm and ReLU."""
    layers: list[nn.Module] = []
    for number in (inputs, outputs):
        layers += [nn.Conv2d(number, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class Down(nn.Module):
    """The way down that both have: a block on each scale, `width` channels on the first and twice as many on the next,
    2x2 max-pools between them."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.widths = [width * 2**scale for scale in range(SCALES)]
        for scale, (inputs, outputs) in enumerate(zip([channels, *self.widths], self.widths)):
            self.add_module(f"down{scale}", _block(inputs, outputs))

    def features(self, x: Tensor) -> list[Tensor]:
        """(B, channels, H, W) -> (B, width 2^s, H / 2^s, W / 2^s) of each scale s."""
        found: list[Tensor] = []
        for scale in range(SCALES):
            x = self.get_submodule(f"down{scale}")(F.max_pool2d(x, 2) if scale else x)
            found.append(x)
        return found


class UNet(Down):
    """Down, and up again: what is enlarged is joined with the features of its scale, and a block follows."""

    def __init__(self, width: int, outputs: int, channels: int = 3) -> None:
        super().__init__(width, channels)
        for scale in reversed(range(SCALES - 1)):
            self.add_module(f"up{scale}", _block(self.widths[scale] + self.widths[scale + 1], self.widths[scale]))
        self.head = nn.Conv2d(width, outputs, 1)
        self.taps = Taps(("down0", "down1", "down2", "up1", "up0"), head="head")

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, outputs, H, W)."""
        *finer, x = self.features(x)
        for scale, skip in reversed([*enumerate(finer)]):
            x = self.get_submodule(f"up{scale}")(torch.cat([skip, _enlarged(x, skip)], 1))
        out: Tensor = self.head(x)
        return out


class FCN(Down):
    """Down, and scores of all scales joined by one layer: W [f_0, f_1 enlarged, f_2 enlarged] is the sum of a 1x1
    score a scale, each enlarged."""

    def __init__(self, width: int, outputs: int, channels: int = 3) -> None:
        super().__init__(width, channels)
        self.head = nn.Conv2d(sum(self.widths), outputs, 1)
        self.taps = Taps(("down0", "down1", "down2"), head="head")

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> (B, outputs, H, W)."""
        first, *coarse = self.features(x)
        out: Tensor = self.head(torch.cat([first, *(_enlarged(each, first) for each in coarse)], 1))
        return out


def _enlarged(x: Tensor, to: Tensor) -> Tensor:
    """Bilinearly, to the height and the width of another map."""
    return F.interpolate(x, to.shape[2:], mode="bilinear", align_corners=False)


def _builder(kind: type[UNet] | type[FCN], width: int) -> Builder:
    def build(classes: int, channels: int = 3) -> nn.Module:
        return kind(width, classes, channels)

    return dense(build)


for _width in (4, 8, 16, 32):
    classifiers.register(f"unet{_width}")(_builder(UNet, _width))
    classifiers.register(f"fcn{_width}")(_builder(FCN, _width))
