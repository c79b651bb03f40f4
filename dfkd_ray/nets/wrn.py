"""Wide residual networks: Zagoruyko and Komodakis, BMVC 2016, arXiv 1605.07146. Pre-activation, no dropout.

Module names are those of xternalz/WideResNet-pytorch.
The stages are the outputs of the three groups as they leave the residual sum, before the next BatchNorm and ReLU, as
in the authors' attention-transfer code (szagoruyko/attention-transfer). So they are neither normalised nor clipped at
zero, unlike the stages of a ResNet; the embedding is the third after the final BatchNorm and ReLU, averaged over space.

`imagenet_wrn_40_2` begins as an ImageNet ResNet does, with a 7x7 convolution of stride 2 and a max-pool: a
reconstruction for large images, as the net is the paper's for 32 pixels. At 224 pixels it takes a sixteenth of the work
and the memory of `wrn_40_2`, whose first group stays at full size. DFKD-FGVC (arXiv 2404.12037, table 2) names its
student WRN-40-2 at 224 pixels and no stem.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.nets import channels_last
from dfkd_ray.nets.builders import Builder, classifiers
from dfkd_ray.nets.taps import Taps


class PreActivationBlock(nn.Module):
    """x + conv(relu(bn(conv(relu(bn(x)))))); where the shape changes, the shortcut is a 1x1 conv of relu(bn(x))."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(inputs)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.convShortcut = None if inputs == outputs else nn.Conv2d(inputs, outputs, 1, stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        active = F.relu(self.bn1(x), inplace=True)  # in place on the BatchNorm's output; x stays as it is
        shortcut = x if self.convShortcut is None else self.convShortcut(active)
        y = self.conv2(F.relu(self.bn2(self.conv1(active)), inplace=True))
        out: Tensor = shortcut + y
        return out


class Group(nn.Module):
    """`depth` blocks in a row; the first changes width and stride."""

    def __init__(self, depth: int, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        first = PreActivationBlock(inputs, outputs, stride)
        self.layer = nn.Sequential(first, *(PreActivationBlock(outputs, outputs, 1) for _ in range(depth - 1)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        out: Tensor = self.layer(x)
        return out


class WideResNet(nn.Module):
    """WRN-`depth`-`widen`: (depth - 4) / 6 blocks in each of three groups of 16, 32, 64 times `widen` channels.

    large: whether the stem is that of ImageNet's nets, which leaves a quarter of each side.
    """

    def __init__(self, depth: int, widen: int, classes: int, channels: int = 3, large: bool = False) -> None:
        super().__init__()
        if depth < 10 or (depth - 4) % 6:
            raise ValueError(f"depth of a wide ResNet must be 6 n + 4 (10, 16, 22, 28, 34, 40, ...), got {depth}")
        blocks, widths = (depth - 4) // 6, (16 * widen, 32 * widen, 64 * widen)
        kernel, stride = (7, 2) if large else (3, 1)
        self.conv1 = nn.Conv2d(channels, 16, kernel, stride, padding=kernel // 2, bias=False)
        self.pool = nn.MaxPool2d(3, 2, padding=1) if large else nn.Identity()
        self.block1 = Group(blocks, 16, widths[0], stride=1)
        self.block2 = Group(blocks, widths[0], widths[1], stride=2)
        self.block3 = Group(blocks, widths[1], widths[2], stride=2)
        self.bn1 = nn.BatchNorm2d(widths[2])
        self.fc = nn.Linear(widths[2], classes)
        self.taps = Taps(("block1", "block2", "block3"), head="fc")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, classes)."""
        x = self.block3(self.block2(self.block1(self.pool(self.conv1(x)))))
        x = F.relu(self.bn1(x), inplace=True)
        logits: Tensor = self.fc(channels_last.mean(x))
        return logits


def _builder(depth: int, widen: int, large: bool = False) -> Builder:
    def build(classes: int, channels: int = 3) -> nn.Module:
        return WideResNet(depth, widen, classes, channels, large)

    return build


for _depth, _widen in ((16, 1), (16, 2), (40, 1), (40, 2)):
    classifiers.register(f"wrn_{_depth}_{_widen}")(_builder(_depth, _widen))
classifiers.register("imagenet_wrn_40_2")(_builder(40, 2, large=True))
