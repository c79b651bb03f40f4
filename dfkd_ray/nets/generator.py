"""The generator of DFKD-FGVC (Shao et al., ICCV 2023, table 6): DCGAN, 3x3 kernels, BatchNorm at the start only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as normalise_spectrum

Output = Literal["tanh", "normalised", "batchnorm"]
DOUBLINGS = 4


class DeconvGenerator(nn.Module):
    """z (B, latent) -> images (B, C, H, W) through four doublings: 8 w -> 4 w -> 2 w -> w -> w channels.

    Fewer doublings leave out the first blocks: two of them are 2 w -> w -> w.

    latent: length of z; not stated in the paper; reconstruction: 256, as in the authors' earlier code.
    image: (C, H, W); H and W are multiples of 2 ** doublings.
    width: w, 64 in the paper.
    doublings: 4 in the paper, for 224 pixels (14 at the start); the relatives' generator for 32 pixels has 2.
    block_norm: BatchNorm after each transposed convolution, as in the relatives' generators; not in the paper.
    attention: called with the channels of each block, gives the module that ends it (`SpatialAttention`); None: none.
    spectral_norm: on the weights of the transposed convolutions, as in the paper. Such a module has a state_dict and
        can be deep-copied, but not pickled (torch's rule for parametrisations).
    output: "tanh": in [-1, 1], given to the teacher as it is (reconstruction, the habit of the authors' earlier code).
        "normalised": tanh mapped to [0, 1], then (x - mean) / std, the range of the teacher's own data.
        "batchnorm": tanh, then BatchNorm without affine, as the 32-pixel generators of the relatives do; it emits only
        zero mean and unit variance, so the teacher's data must be normalised by their own statistics.
        Fresh images are faint (the tanh's deviation is about 0.0025 at width 64), so BatchNorm's epsilon counts in
        the first steps.
    mean, std: per channel, in [0, 1] units; needed by "normalised" and unread otherwise.
    Reconstructions: stride 2, padding 1, output padding 1 and no bias in the 3x3 transposed convolutions; slope 0.2.
    """

    def __init__(
        self,
        latent: int = 256,
        image: tuple[int, int, int] = (3, 32, 32),
        width: int = 64,
        doublings: int = 4,
        attention: Callable[[int], nn.Module] | None = None,
        spectral_norm: bool = True,
        block_norm: bool = False,
        output: Output = "tanh",
        mean: Sequence[float] | None = None,
        std: Sequence[float] | None = None,
    ) -> None:
        super().__init__()
        channels, height, width_px = image
        _check_sides(doublings, height, width_px)
        self.latent = latent
        widths = (8 * width, 4 * width, 2 * width, width, width)[4 - doublings :]
        self.start = (widths[0], height >> doublings, width_px >> doublings)
        self.project = nn.Linear(latent, self.start[0] * self.start[1] * self.start[2])
        self.norm = nn.BatchNorm2d(self.start[0])
        self.blocks = nn.Sequential(*(_block(i, o, block_norm, attention) for i, o in pairwise(widths)))
        self.to_image = nn.Conv2d(width, channels, 3, padding=1)
        self.head = _head(output, channels, mean, std)
        self.apply(_initialise)
        if spectral_norm:  # after the initialisation, which would otherwise miss the original weights
            for block in self.blocks:
                normalise_spectrum(block.get_submodule("deconv"))

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, latent) -> (B, C, H, W). The generator is unconditional (eq. 10): `labels` are unread."""
        features = self.project(z).unflatten(1, self.start)
        images: Tensor = self.head(self.to_image(self.blocks(self.norm(features))).tanh())
        return images


class ToData(nn.Module):
    """[-1, 1] -> [0, 1] -> (x - mean) / std, per channel."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, -1, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        return ((x + 1) / 2 - self.mean) / self.std


def _block(inputs: int, outputs: int, norm: bool, attention: Callable[[int], nn.Module] | None) -> nn.Sequential:
    block = nn.Sequential()
    block.add_module("deconv", nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1, bias=False))
    if norm:
        block.add_module("norm", nn.BatchNorm2d(outputs))
    block.add_module("activation", nn.LeakyReLU(0.2, inplace=True))
    if attention is not None:
        block.add_module("attention", attention(outputs))
    return block


def _head(output: Output, channels: int, mean: Sequence[float] | None, std: Sequence[float] | None) -> nn.Module:
    if output == "tanh":
        return nn.Identity()
    if output == "batchnorm":
        return nn.BatchNorm2d(channels, affine=False)
    if output != "normalised":
        raise ValueError(f"output must be one of {', '.join(get_args(Output))}, got {output!r}")
    if mean is None or std is None or len(mean) != channels or len(std) != channels:
        raise ValueError(f"output 'normalised' needs mean and std of {channels} channels, got {mean} and {std}")
    if min(std) <= 0:
        raise ValueError(f"std must be > 0 in every channel, got {std}")
    return ToData(mean, std)


def _check_sides(doublings: int, *sides: int) -> None:
    if doublings not in range(1, DOUBLINGS + 1):
        raise ValueError(f"doublings must be 1 to {DOUBLINGS}, got {doublings}")
    step = 2**doublings
    for side in sides:
        if side < step or side % step:
            below = side // step * step
            near = f"{below} or {below + step}" if below >= step else f"{step}"
            raise ValueError(f"the sides of an image must be multiples of {step}, got {side}; nearest: {near}")


def _initialise(module: nn.Module) -> None:
    """DCGAN's: weights N(0, 0.02), BatchNorm's gamma N(1, 0.02), biases 0."""
    if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d) and module.affine:
        nn.init.normal_(module.weight, 1.0, 0.02)
    else:
        return
    if module.bias is not None:
        nn.init.zeros_(module.bias)
