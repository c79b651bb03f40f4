"""How weights begin, where the code of a method says so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Literal, get_args

from torch import Tensor, nn

Initialisation = Literal["dcgan", "uniform", "kaiming", "xavier"]

_DRAWN: Mapping[Initialisation, Callable[[Tensor], Tensor]] = {
    "dcgan": partial(nn.init.normal_, std=0.02),
    "uniform": partial(nn.init.uniform_, a=-0.08, b=0.08),
    "kaiming": nn.init.kaiming_normal_,
    "xavier": partial(nn.init.xavier_normal_, gain=math.sqrt(2)),
}


def initialise(net: nn.Module, how: Initialisation) -> None:
    """New weights, from torch's own random numbers: those of linear layers and convolutions as follows, biases 0.

    how: "dcgan": N(0, 0.02^2) (Radford et al., arXiv:1511.06434). "uniform": U(-0.08, 0.08), and BatchNorm stays as it
        is (the code of PRE-DFKD). "kaiming" and "xavier": N(0, 2 / inputs) and N(0, 4 / (inputs + outputs)), inputs and
        outputs times the area of a kernel (the code of SpaceshipNet, for its generator and its student).
        In all but "uniform" the scale of BatchNorm is N(1, 0.02^2) and its shift 0, where it has them.
    """
    if how not in get_args(Initialisation):
        raise ValueError(f"init must be one of {', '.join(get_args(Initialisation))}, got {how!r}")
    for module in net.modules():
        if isinstance(module, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            _DRAWN[how](module.weight)
        elif isinstance(module, nn.BatchNorm2d) and module.affine and how != "uniform":
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
