"""The two attention modules of DFKD-FGVC: Shao et al., ICCV 2023, arXiv 2404.12037.

`SpatialAttention` sits in each block of the generator (eqs. 4-6, table 6). It is not CBAM's: there is no average pool
and no 7x7 convolution, but an encoder-decoder with max-pool and max-unpool, and a softmax.
`HighOrderAttention` gates the stage features of teacher and student (section 4.2); it is the one of Chen et al.,
"Mixed High-Order Attention Network for Person Re-Identification", ICCV 2019 (code: chenbinghui1/MHN).
"""

from __future__ import annotations

from functools import reduce
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from dfkd_ray.nets import channels_last

Variant = Literal["spatial", "channel", "spatial_rescaled"]
Activation = Literal["mean_sigmoid", "sigmoid_sum"]


def _conv_bn_relu(conv: nn.Module, channels: int) -> nn.Sequential:
    return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class SpatialAttention(nn.Module):
    """F -> F + mix * softmax(A(F)) * F, eq. 6, where A is the encoder-decoder of table 6.

    reduction: r of table 6; the inner widths are c, 2 c, 4 c with c = max(1, channels // r). Not stated in the paper;
        reconstruction: 8.
    mix: lambda of eq. 6, 0.05 in the paper; at 0 the input is returned and nothing is computed.
    variant: the axis of the softmax, which the paper does not state. "spatial": over H * W. "channel": over the
        channels. "spatial_rescaled": over H * W, times H * W, so that the mean weight is 1 (not in the paper: with
        the literal softmax the factor 1 + mix * p hardly differs from 1).
    A is given `channels` maps (table 6); the text of eq. 5 says channels / r, which does not fit eq. 6.
    """

    def __init__(self, channels: int, reduction: int = 8, mix: float = 0.05, variant: Variant = "spatial") -> None:
        super().__init__()
        if reduction < 1:
            raise ValueError(f"reduction must be >= 1, got {reduction}")
        if variant not in get_args(Variant):
            raise ValueError(f"variant must be one of {', '.join(get_args(Variant))}, got {variant!r}")
        inner = max(1, channels // reduction)
        self.mix, self.variant = mix, variant
        self.reduce = nn.Conv2d(channels, inner, 1)
        self.encode = _conv_bn_relu(nn.Conv2d(inner, 2 * inner, 3, padding=1), 2 * inner)
        self.pool = nn.MaxPool2d(2, return_indices=True)
        self.middle = _conv_bn_relu(nn.Conv2d(2 * inner, 4 * inner, 3, padding=1), 4 * inner)
        self.decode = _conv_bn_relu(nn.ConvTranspose2d(4 * inner, 2 * inner, 3, padding=1), 2 * inner)
        self.unpool = nn.MaxUnpool2d(2)
        self.refine = _conv_bn_relu(nn.ConvTranspose2d(2 * inner, inner, 3, padding=1), inner)
        self.expand = nn.Conv2d(inner, channels, 1)

    def scores(self, features: Tensor) -> Tensor:
        """A(F) before the softmax: (B, C, H, W) -> (B, C, H, W), H and W at least 2."""
        encoded = self.encode(self.reduce(features))
        pooled, indices = self.pool(encoded)
        # the size is given for the sake of odd sides, which the pool rounds down
        decoded = self.unpool(self.decode(self.middle(pooled)), indices, output_size=encoded.shape[-2:])
        scores: Tensor = self.expand(self.refine(decoded))
        return scores

    def weights(self, features: Tensor) -> Tensor:
        """p of eq. 6, (B, C, H, W): sums to 1 over space or channels, or has the mean 1 over space."""
        scores = self.scores(features)
        scores = scores.to(torch.promote_types(scores.dtype, torch.float32))  # 1 / (H * W) is too small for half
        weights = channels_last.softmax(scores, (1,) if self.variant == "channel" else (2, 3))
        return weights * scores[0, 0].numel() if self.variant == "spatial_rescaled" else weights

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        if self.mix == 0:
            return features
        return torch.addcmul(features, self.weights(features), features, value=self.mix)


class HighOrderAttention(nn.Module):
    """A = act over r of V_r relu(W_{r,1} F * ... * W_{r,r} F), r = 1..order; the attended features are A * F.

    All W (C -> C') and V (C' -> C) are 1x1 convolutions without bias, C' = 2 floor(C / 8) as in MHN's code (at least
    1); the paper does not state C'. Initialised as torch does by default.
    order: R, 3 in the paper, which tries 1, 2 and 3.
    activation: not named in the paper. "mean_sigmoid": the mean of sigmoid(V_r ...) over r, as in MHN's code.
        "sigmoid_sum": the sigmoid of their sum, closer to the paper's words ("aggregated", then "activated").
    """

    def __init__(self, channels: int, order: int = 3, activation: Activation = "mean_sigmoid") -> None:
        super().__init__()
        if order not in (1, 2, 3, 4):
            raise ValueError(f"order must be 1, 2, 3 or 4, got {order}")
        if activation not in get_args(Activation):
            raise ValueError(f"activation must be one of {', '.join(get_args(Activation))}, got {activation!r}")
        self.order, self.activation = order, activation
        self.inner = max(1, 2 * (channels // 8))
        # The W_{r,i} of all routes side by side, r = 1 first: one convolution reads F once.
        self.reduce = nn.Conv2d(channels, self.inner * order * (order + 1) // 2, 1, bias=False)
        self.expand = nn.ModuleList(nn.Conv2d(self.inner, channels, 1, bias=False) for _ in range(order))

    def forward(self, features: Tensor) -> Tensor:
        """The map A, in (0, 1): (B, C, H, W) -> (B, C, H, W)."""
        factors = iter(self.reduce(features).split(self.inner, dim=1))
        routes: list[Tensor] = []
        for rank, expand in enumerate(self.expand, start=1):
            product = next(factors)
            for _ in range(rank - 1):
                product = product * next(factors)
            routes.append(expand(product.relu()))
        # In place on what is new here, where no gradient asks what it was.
        if self.activation == "sigmoid_sum":
            return reduce(Tensor.add_, routes).sigmoid_()
        first, *rest = (route.sigmoid_() for route in routes)
        return reduce(Tensor.add_, rest[1:], first + rest[0]).div_(self.order) if rest else first

    def attend(self, features: Tensor) -> Tensor:
        """A * F: (B, C, H, W) -> (B, C, H, W)."""
        gate: Tensor = self(features)
        return gate * features
