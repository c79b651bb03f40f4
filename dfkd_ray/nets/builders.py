"""The registry of classifiers, apart from the package so that the files of nets can fill it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from torch import nn

from dfkd_ray.util.registry import Registry

Builder: TypeAlias = Callable[[int, int], nn.Module]
"""(classes, channels) -> a freshly initialised classifier that carries `.taps`."""

classifiers: Registry[Builder] = Registry("net")
