"""ResNets for 32-pixel images: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

- `resnet8`, `resnet20`, `resnet56`: section 4.2, three stages of 16, 32, 64 channels, parameter-free shortcuts (option
  A). Module names are those of akamaster/pytorch_resnet_cifar10, whose published weights load strictly.
- `cifar_resnet18`, `cifar_resnet34`: the ImageNet nets with a 3x3 stem of stride 1 and no max-pool, four stages of 64
  to 512 channels, 1x1 convolutions as shortcuts (option B); the "ResNet-18/34" of the data-free papers on CIFAR.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.nets.builders import Builder, classifiers
from dfkd_ray.nets.taps import Taps


class PadShortcut(nn.Module):
    """Option A: every second pixel, and zero channels on both sides up to the new width. No parameters."""

    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.before = (outputs - inputs) // 2
        self.after = outputs - inputs - self.before

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.before, self.after))


def conv_shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """Option B: a 1x1 convolution and BatchNorm."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


Shortcut = Callable[[int, int, int], nn.Module]


class BasicBlock(nn.Module):
    """relu(x + bn(conv(relu(bn(conv(x)))))), fig. 2 of the paper."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(outputs)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        # In-place on fresh tensors only: x, a stage output perhaps, and the BatchNorm inputs stay as they are.
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        return F.relu(self.bn2(self.conv2(y)) + self.shortcut(x), inplace=True)


class CifarResNet(nn.Module):
    """A 3x3 stem, one stage per entry of `depths` (the first of stride 1, the others of 2), mean pool, linear."""

    def __init__(
        self, depths: Sequence[int], widths: Sequence[int], shortcut: Shortcut, classes: int, channels: int = 3
    ) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, widths[0], 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.stages = tuple(f"layer{number}" for number in range(1, len(depths) + 1))
        inputs = widths[0]
        for name, depth, outputs in zip(self.stages, depths, widths):
            stride = 1 if name == "layer1" else 2
            first = BasicBlock(inputs, outputs, stride, shortcut)
            rest = (BasicBlock(outputs, outputs, 1, shortcut) for _ in range(depth - 1))
            self.add_module(name, nn.Sequential(first, *rest))
            inputs = outputs
        self.linear = nn.Linear(inputs, classes)
        self.taps = Taps(self.stages, head="linear")
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, classes)."""
        x = F.relu(self.bn1(self.conv1(x)), inplace=True)
        for name in self.stages:
            x = self.get_submodule(name)(x)
        logits: Tensor = self.linear(x.mean(dim=(2, 3)))
        return logits


def _builder(depths: Sequence[int], widths: Sequence[int], shortcut: Shortcut) -> Builder:
    def build(classes: int, channels: int = 3) -> nn.Module:
        return CifarResNet(depths, widths, shortcut, classes, channels)

    return build


for _depth in (8, 20, 56):  # 6 n + 2 layers
    classifiers.register(f"resnet{_depth}")(_builder([(_depth - 2) // 6] * 3, (16, 32, 64), PadShortcut))
classifiers.register("cifar_resnet18")(_builder((2, 2, 2, 2), (64, 128, 256, 512), conv_shortcut))
classifiers.register("cifar_resnet34")(_builder((3, 4, 6, 3), (64, 128, 256, 512), conv_shortcut))
