"""The BatchNorm prior: images whose activations have the statistics of the data that nobody has."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from dfkd_ray.errors import ConfigError
from dfkd_ray.losses.checks import positive
from dfkd_ray.objective import terms
from dfkd_ray.signals import Norm, Signals, moments


@terms.register("batchnorm")
@dataclass(frozen=True)
class BatchNorm:
    """L = sum_l ||mean_l(x) - mean_l||_2 + ||var_l(x) - var_l||_2 over the teacher's BatchNorm layers l.

    Eq. 3 of DFKD-FGVC (arXiv 2404.12037); Yin et al., "Dreaming to Distill: Data-free Knowledge Transfer via
    DeepInversion", CVPR 2020, arXiv 1912.08795. mean_l and var_l (C_l,) are the running statistics, mean_l(x) and
    var_l(x) those of the layer's input (B, C_l, H, W) over batch and space, with the biased variance. The norms are not
    squared, and the sum grows with the depth: a weight does not carry over from one teacher to another.

    first_factor: what the first layer counts; 1 in eq. 3, 10 in DeepInversion's ImageNet runs, 5 in DFQ.
    """

    first_factor: float = 1.0

    def __post_init__(self) -> None:
        positive(first_factor=self.first_factor)

    def __call__(self, signals: Signals) -> Tensor:
        first, *rest = (_deviation(norm) for norm in signals.teacher.norms)
        return torch.stack([self.first_factor * first, *rest]).sum()


def _deviation(norm: Norm) -> Tensor:
    """How far the statistics of the layer's input are from the running ones: a scalar."""
    running_mean, running_var = norm.layer.running_mean, norm.layer.running_var
    if running_mean is None or running_var is None:
        raise ConfigError.at(
            "", "a BatchNorm layer of the teacher keeps no running statistics, so there is no BN prior"
        )
    # Under autocast the input is a half: rounded statistics would drown a small deviation.
    mean, var = moments(norm.input.to(torch.promote_types(norm.input.dtype, torch.float32)))
    norm_of = torch.linalg.vector_norm
    deviation: Tensor = norm_of(mean - running_mean) + norm_of(var - running_var)
    return deviation
