"""The registry of networks, apart from the package so that the files of nets can fill it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from dfkd_ray.util.registry import Registry

Builder: TypeAlias = Callable[[int, int], nn.Module]
"""(classes, channels) -> a freshly initialised network that carries `.taps`: a classifier, unless it says `dense`."""

classifiers: Registry[Builder] = Registry("net")


def dense(builder: Builder) -> Builder:
    """Say of a builder that its network has an output for each position of an image."""
    vars(builder)["dense"] = True
    return builder


def is_dense(builder: Builder) -> bool:
    return bool(getattr(builder, "dense", False))
