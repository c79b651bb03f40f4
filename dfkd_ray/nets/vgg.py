"""VGG for 32-pixel images: Simonyan and Zisserman, ICLR 2015, arXiv 1409.1556, table 1, with BatchNorm.

`cifar_vgg11_bn` is column A without its three dense layers: the mean over space goes straight into a linear layer. So
it is the "VGG-11" of the data-free papers on CIFAR; torchvision's `vgg11_bn`, for 224 pixels, has 129 M parameters.
`cifar_vgg13_bn`, `cifar_vgg16_bn` and `cifar_vgg19_bn` are columns B, D and E; `cifar_vgg8_bn` is RepDistiller's own.
Module names are those of HobbitLong/RepDistiller, which FastDFKD's code names as its source, so that weights of either
load strictly. The stages are the outputs of the five blocks after their last ReLU, as for torchvision's VGG.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.nets import channels_last
from dfkd_ray.nets.builders import Builder, classifiers
from dfkd_ray.nets.taps import Taps

BLOCKS = {  # channels of the convolutions, block by block
    8: ((64,), (128,), (256,), (512,), (512,)),
    11: ((64,), (128,), (256,) * 2, (512,) * 2, (512,) * 2),
    13: ((64,) * 2, (128,) * 2, (256,) * 2, (512,) * 2, (512,) * 2),
    16: ((64,) * 2, (128,) * 2, (256,) * 3, (512,) * 3, (512,) * 3),
    19: ((64,) * 2, (128,) * 2, (256,) * 4, (512,) * 4, (512,) * 4),
}


class CifarVGG(nn.Module):
    """Blocks of 3x3 convolutions with max-pools between them, mean pool, linear.

    At 32 pixels there are three pools, behind the first three blocks; a fourth follows at 64 pixels and above.
    """

    def __init__(self, blocks: Sequence[Sequence[int]], classes: int, channels: int = 3) -> None:
        super().__init__()
        self.depth = len(blocks)
        for number, widths in enumerate(blocks):
            self.add_module(f"block{number}", _block(channels, widths))
            self.add_module(f"relu{number}", nn.ReLU(inplace=True))
            channels = widths[-1]
        self.classifier = nn.Linear(channels, classes)
        self.taps = Taps(tuple(f"relu{number}" for number in range(self.depth)), head="classifier")
        for module in self.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, H, W) -> logits (B, classes)."""
        pools = self.depth - (1 if x.shape[2] >= 64 else 2)
        for number in range(self.depth):
            x = self.get_submodule(f"relu{number}")(self.get_submodule(f"block{number}")(x))
            if number < pools:
                x = F.max_pool2d(x, 2)
        logits: Tensor = self.classifier(channels_last.mean(x))
        return logits


def _block(inputs: int, widths: Sequence[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for outputs in widths:
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]
        inputs = outputs
    return nn.Sequential(*layers[:-1])


def _builder(depth: int) -> Builder:
    def build(classes: int, channels: int = 3) -> nn.Module:
        return CifarVGG(BLOCKS[depth], classes, channels)

    return build


for _depth in BLOCKS:
    classifiers.register(f"cifar_vgg{_depth}_bn")(_builder(_depth))
