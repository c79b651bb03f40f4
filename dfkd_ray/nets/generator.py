"""The generator of DFKD-FGVC (Shao et al., ICCV 2023, table 6): DCGAN, 3x3 kernels, BatchNorm at the start only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm as normalise_spectrum

from dfkd_ray.nets.conditioners import Condition, through
from dfkd_ray.nets.heads import Output, check_sides, head
from dfkd_ray.nets.initialisation import initialise
from dfkd_ray.nets.precision import SingleConv2d, SingleLinear

DOUBLINGS = 5  # at most


class DeconvGenerator(nn.Module):
    """z (B, latent) -> images (B, C, H, W) through four doublings: 8 w -> 4 w -> 2 w -> w -> w channels.

    Fewer doublings leave out the first blocks: two of them are 2 w -> w -> w. A fifth, 8 w -> 8 w, stands in front
    (reconstruction): 224 pixels then start from 7x7, and the linear layer has a quarter of the weights.

    latent: length of z; not stated in the paper; reconstruction: 256, as in the authors' earlier code.
    image: (C, H, W); H and W are multiples of 2 ** doublings.
    width: w, 64 in the paper.
    doublings: 4 in the paper, for 224 pixels (14 at the start); the relatives' generator for 32 pixels has 2.
    block_norm: BatchNorm after each transposed convolution, as in the relatives' generators; not in the paper.
    attention: called with the channels of each block, gives the module that ends it (`SpatialAttention`); None: none.
    spectral_norm: on the weights of the transposed convolutions, as in the paper. Such a module has a state_dict and
        can be deep-copied, but not pickled (torch's rule for parametrisations).
    output, mean, std: see `heads.head`. "tanh" is the habit of the authors' earlier code (reconstruction).
    condition: called with the length of z and the sides of the first map, gives what reads labels; None: nothing does,
        as in the paper (eq. 10).
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
        condition: Callable[[int, tuple[int, int]], Condition] | None = None,
    ) -> None:
        super().__init__()
        channels, height, width_px = image
        check_sides(doublings, DOUBLINGS, height, width_px)
        self.latent = latent
        widths = tuple(factor * width for factor in (8, 8, 4, 2, 1, 1)[DOUBLINGS - doublings :])
        sides = (height >> doublings, width_px >> doublings)
        self.start = (widths[0], *sides)
        reads = Condition() if condition is None else condition(latent, sides)
        self.project = SingleLinear(latent + reads.longer, self.start[0] * self.start[1] * self.start[2])
        self.norm = nn.BatchNorm2d(self.start[0])
        pairs = pairwise((widths[0] + reads.deeper, *widths[1:]))
        self.blocks = nn.Sequential(*(_block(i, o, block_norm, attention) for i, o in pairs))
        self.to_image = SingleConv2d(width, channels, 3, padding=1)
        self.head = head(output, channels, mean, std)
        initialise(self, "dcgan")
        if spectral_norm:  # after the initialisation, which would otherwise miss the original weights
            for block in self.blocks:
                normalise_spectrum(block.get_submodule("deconv"))
        self.condition = reads  # after the initialisation too: its layers keep their own
        self.condition.fit(self)

    def forward(self, z: Tensor, labels: Tensor | None = None) -> Tensor:
        """(B, latent) -> (B, C, H, W); `labels` (B,) are read by the condition alone."""
        features = self.project(self.condition.join(z, labels)).unflatten(1, self.start)
        features = self.condition.mark(through(self.norm, features, labels), labels)
        return through(self.head, self.to_image(through(self.blocks, features, labels)), labels)


def _block(inputs: int, outputs: int, norm: bool, attention: Callable[[int], nn.Module] | None) -> nn.Sequential:
    block = nn.Sequential()
    block.add_module("deconv", nn.ConvTranspose2d(inputs, outputs, 3, 2, padding=1, output_padding=1, bias=False))
    if norm:
        block.add_module("norm", nn.BatchNorm2d(outputs))
    block.add_module("activation", nn.LeakyReLU(0.2, inplace=True))
    if attention is not None:
        block.add_module("attention", attention(outputs))
    return block
