"""Saliency, where a network looks: Grad-CAM."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dfkd_ray.parts.losses.grad_cam import maps
from dfkd_ray.parts.signals import Pass

_FINE = 4  # positions to a side, under which a map tells no place


def saliency(net: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """(N, h, w) in [0, 1]: ReLU(sum_k a_k A_k) over its own highest value, with a_k the mean of dy / dA_k.

    images (N, C, H, W) are in the network's input space, y is the logit of classes (N,), A (N, K, h, w) the output of
    the last stage that has at least 4 x 4 positions (at 224 pixels the last convolutional layer's, as in the paper; on
    small images the last map may be a single position: reconstruction). An image whose evidence is against the class
    everywhere has a map of zeros. Grad-CAM: Selvaraju et al., ICCV 2017, arXiv:1610.02391, eqs. 1 and 2. ConfigError
    for a network whose stages are not known.
    """
    seen = Pass(net, images.detach().requires_grad_())
    fine = [i for i, stage in enumerate(seen.stages) if min(stage.shape[2:]) >= _FINE]
    chosen = maps(seen, classes, second_order=False)[fine[-1] if fine else 0][:, 0]
    heat = chosen.detach().relu().float()
    return heat / heat.amax((1, 2), keepdim=True).clamp_min(torch.finfo(heat.dtype).tiny)
