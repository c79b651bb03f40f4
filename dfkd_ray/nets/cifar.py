"""ResNets for 32-pixel images: He et al., "Deep Residual Learning for Image Recognition", CVPR 2016.

- `resnet8` to `resnet110`: section 4.2, three stages of 16, 32, 64 channels, parameter-free shortcuts (option A).
  Module names are those of akamaster/pytorch_resnet_cifar10, whose published weights load strictly.
- `resnet8_b` to `resnet110_b`: the same with 1x1 convolutions as shortcuts (option B), as
  chenyaofo/pytorch-cifar-models and HobbitLong/RepDistiller have it; `resnet8x4` and `resnet32x4` of the latter are
  four times as wide behind a stem of 32 channels.
- `cifar_resnet18`, `cifar_resnet34`, `cifar_resnet50`: the ImageNet nets with a 3x3 stem of stride 1 and no max-pool,
  four stages, option B; the "ResNet-18/34" of the data-free papers on CIFAR. Module names are kuangliu/pytorch-cifar's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.nets import channels_last
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
        return channels_last.subsample(x, self.stride, self.before, self.after)


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


class Bottleneck(nn.Module):
    """relu(x + three convolutions), 1x1, 3x3 with the stride, 1x1, the inner two a quarter as wide: fig. 5, right."""

    def __init__(self, inputs: int, outputs: int, stride: int, shortcut: Shortcut) -> None:
        super().__init__()
        width = outputs // 4
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        same = stride == 1 and inputs == outputs
        self.shortcut = nn.Identity() if same else shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) -> (B, outputs, ceil(H / stride), ceil(W / stride))."""
        y = F.relu(self.bn1(self.conv1(x)), inplace=True)
        y = F.relu(self.bn2(self.conv2(y)), inplace=True)
        return F.relu(self.bn3(self.conv3(y)) + self.shortcut(x), inplace=True)


class CifarResNet(nn.Module):
    """A 3x3 stem, one stage per entry of `depths` (the first of stride 1, the others of 2), mean pool, linear.

    widths: channels of the stages. stem: of the stem, those of the first stage where it is not given.
    """

    def __init__(
        self,
        depths: Sequence[int],
        widths: Sequence[int],
        shortcut: Shortcut,
        classes: int,
        channels: int = 3,
        *,
        stem: int | None = None,
        block: Callable[[int, int, int, Shortcut], nn.Module] = BasicBlock,
    ) -> None:
        super().__init__()
        inputs = widths[0] if stem is None else stem
        self.conv1 = nn.Conv2d(channels, inputs, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inputs)
        self.stages = tuple(f"layer{number}" for number in range(1, len(depths) + 1))
        for name, depth, outputs in zip(self.stages, depths, widths):
            stride = 1 if name == "layer1" else 2
            first = block(inputs, outputs, stride, shortcut)
            rest = (block(outputs, outputs, 1, shortcut) for _ in range(depth - 1))
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
        logits: Tensor = self.linear(channels_last.mean(x))
        return logits


def _builder(depths: Sequence[int], widths: Sequence[int], shortcut: Shortcut, **more: Any) -> Builder:
    def build(classes: int, channels: int = 3) -> nn.Module:
        return CifarResNet(depths, widths, shortcut, classes, channels, **more)

    return build


NARROW, WIDE = (16, 32, 64), (64, 128, 256)
for _depth in (8, 20, 32, 44, 56, 110):  # 6 n + 2 layers
    classifiers.register(f"resnet{_depth}")(_builder([(_depth - 2) // 6] * 3, NARROW, PadShortcut))
    classifiers.register(f"resnet{_depth}_b")(_builder([(_depth - 2) // 6] * 3, NARROW, conv_shortcut))
for _depth in (8, 32):
    classifiers.register(f"resnet{_depth}x4")(_builder([(_depth - 2) // 6] * 3, WIDE, conv_shortcut, stem=32))
classifiers.register("cifar_resnet18")(_builder((2, 2, 2, 2), (*WIDE, 512), conv_shortcut))
classifiers.register("cifar_resnet34")(_builder((3, 4, 6, 3), (*WIDE, 512), conv_shortcut))
classifiers.register("cifar_resnet50")(
    _builder((3, 4, 6, 3), (256, 512, 1024, 2048), conv_shortcut, stem=64, block=Bottleneck)
)
