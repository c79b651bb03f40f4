"""The generator that DAFL brought into the field and nearly all its relatives share: upsample, convolve, normalise."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm as normalise_spectrum

from dfkd_ray.nets import channels_last
from dfkd_ray.nets.conditioners import Condition, through
from dfkd_ray.nets.heads import Output, check_sides, head
from dfkd_ray.nets.initialisation import Initialisation, initialise
from dfkd_ray.nets.precision import SingleConv2d, SingleLinear

DOUBLINGS = 5


class UpsamplingGenerator(nn.Module):
    """z (B, latent) -> images (B, C, H, W): a linear layer, then `doublings` times upsample x2 and convolve.

    At 32 pixels this is the generator of the codes of DAFL (arXiv:1904.01186), DFAD, CMI, FastDFKD, SpaceshipNet and
    NAYER: Linear(latent -> 2w x 8 x 8), BatchNorm, up, conv3x3(2w), BatchNorm, LeakyReLU(0.2), up, conv3x3(w),
    BatchNorm, LeakyReLU(0.2), conv3x3(C), head.

    width: w, 64 in all of them. doublings: 2 at 32 pixels; larger images start with more (reconstruction: their codes
    have other bodies there), all blocks but the last with 2w channels.
    start_widths: w's of the first map, 2 above, 4 in the "large" generator of CMI's code.
    block_eps: the epsilon of BatchNorm in the blocks, 0.8 in DAFL's and PRE-DFKD's codes; the others keep torch's.
    spectral_norm: on the weights of the convolutions (PRE-DFKD, arXiv:2201.03019).
    init: see `initialisation.initialise`; None: as torch draws them.
    output, mean, std: see `heads.head`.
    condition: called with the length of z and the sides of the first map, gives what reads labels; None: nothing does.
    """

    def __init__(
        self,
        latent: int = 256,
        image: tuple[int, int, int] = (3, 32, 32),
        width: int = 64,
        doublings: int = 2,
        start_widths: int = 2,
        block_eps: float = 1e-5,
        spectral_norm: bool = False,
        init: Initialisation | None = None,
        output: Output = "batchnorm",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
        condition: Callable[[int, tuple[int, int]], Condition] | None = None,
    ) -> None:
        super().__init__()
        channels, height, width_px = image
        check_sides(doublings, DOUBLINGS, height, width_px)
        self.latent = latent
        sides = (height >> doublings, width_px >> doublings)
        self.start = (start_widths * width, *sides)
        reads = Condition() if condition is None else condition(latent, sides)
        self.project = SingleLinear(latent + reads.longer, self.start[0] * self.start[1] * self.start[2])
        self.norm = nn.BatchNorm2d(self.start[0])
        widths = [self.start[0] + reads.deeper] + [2 * width] * (doublings - 1) + [width]
        self.blocks = nn.ModuleList(_block(i, o, block_eps) for i, o in pairwise(widths))
        self.to_image = SingleConv2d(width, channels, 3, padding=1)
        self.head = head(output, channels, mean, std)
        if init is not None:
            initialise(self, init)
        if spectral_norm:  # after the initialisation, which would otherwise miss the original weights
            for layer in [module for module in self.modules() if isinstance(module, nn.Conv2d)]:
                normalise_spectrum(layer)
        self.condition = reads  # after the initialisation too: its layers keep their own
        self.condition.fit(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, latent) -> (B, C, H, W); `labels` (B,) are read by the condition alone."""
        return self.decode(self.features(z, labels)[-1], len(self.blocks), labels)

    def features(self, z: Tensor, labels: Tensor | None = None) -> list[Tensor]:
        """The feature map before the first block, and after each block: 1 + doublings of them."""
        first = channels_last.laid(self.project(self.condition.join(z, labels)).unflatten(1, self.start))
        first = through(self.norm, first, labels)
        maps = [self.condition.mark(first, labels)]
        for block in self.blocks:
            maps.append(through(block, maps[-1], labels))
        return maps

    def decode(self, features: Tensor, depth: int, labels: Tensor | None = None) -> Tensor:
        """Images from the map that `features` has at that depth."""
        for block in list(self.blocks)[depth:]:
            features = through(block, features, labels)
        return through(self.head, self.to_image(features), labels)


class UpsampledConv(nn.Conv2d):
    """Nearest upsampling by 2, then a 3x3 convolution: (B, in, H, W) -> (B, out, 2 H, 2 W). Weights as of the latter.

    Both are one transposed convolution of stride 2, whose 4x4 kernel holds sums of the 3x3 one's weights: equal but for
    rounding, and 16 products for each element of the input in place of 36. Taken in float32 on the CPU, where it was
    measured to pay (twice as fast, benchmarks/RESULTS.md).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, input: Tensor) -> Tensor:
        if input.device.type != "cpu" or torch.is_autocast_enabled("cpu"):
            return super().forward(F.interpolate(input, scale_factor=2.0))
        return F.conv_transpose2d(input, spread(self.weight), self.bias, stride=2, padding=1)


def spread(kernel: Tensor) -> Tensor:
    """(out, in, 3, 3) -> (in, out, 4, 4): what one element of the input adds to the 4x4 elements of the output around
    it, which it does as 2x2 equal ones: the sum over each 2x2 window of the flipped kernel."""
    return F.avg_pool2d(kernel.transpose(0, 1).flip(-2, -1), 2, stride=1, padding=1, divisor_override=1)


def _block(inputs: int, outputs: int, eps: float) -> nn.Sequential:
    """The names, from 1, are those of weights that were saved when upsampling was a layer of its own."""
    norm, activation = nn.BatchNorm2d(outputs, eps=eps), nn.LeakyReLU(0.2, inplace=True)
    return nn.Sequential(OrderedDict({"1": UpsampledConv(inputs, outputs), "2": norm, "3": activation}))
