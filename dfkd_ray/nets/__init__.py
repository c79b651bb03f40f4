"""Classifiers, dense networks and generators, and the names of the places where they are read.

>>> student = build("resnet8", classes=10)
>>> taps_of(student)
Taps(stages=('layer1', 'layer2', 'layer3'), head='linear')
"""

from __future__ import annotations

from torch import nn

from dfkd_ray.nets import cifar, dense, imagenet, timm, vgg, wrn  # noqa: F401  they fill the registry
from dfkd_ray.nets.attention import HighOrderAttention, SpatialAttention
from dfkd_ray.nets.builders import Builder, classifiers, is_dense
from dfkd_ray.nets.generator import DeconvGenerator
from dfkd_ray.nets.precision import keep_single
from dfkd_ray.nets.taps import Taps, attach_taps, taps_of
from dfkd_ray.util.choices import Targets
from dfkd_ray.util.errors import ConfigError

__all__ = [
    "Builder",
    "DeconvGenerator",
    "HighOrderAttention",
    "SpatialAttention",
    "Taps",
    "attach_taps",
    "build",
    "check",
    "classifiers",
    "taps_of",
    "targets",
]


def build(arch: str, classes: int, channels: int = 3, pretrained: bool = False) -> nn.Module:
    """The network `arch` with `classes` logits for images of `channels` channels; it carries `.taps`.

    arch: of `classifiers`, or `timm:NAME`, any of timm's. pretrained: ImageNet weights of torchvision or timm, with a
    fresh head unless `classes` is 1000 (their nets only).
    Raises what `check` does, ConfigError for `pretrained` where there are no such weights or for a number below 1,
    DataError when the weights cannot be downloaded.
    """
    for name, value in (("classes", classes), ("channels", channels)):
        if value < 1:
            raise ConfigError.at(name, f"must be >= 1, got {value}")
    if arch.startswith(timm.PREFIX):
        net = timm.build(arch, classes, channels, pretrained)
    else:
        net = imagenet.pretrained(arch, classes, channels) if pretrained else classifiers[arch](classes, channels)
    keep_single(net.get_submodule(taps_of(net).head))
    return net


def targets(arch: str, classes: int) -> Targets:
    """What the outputs of a net tell, `classes` of them."""
    if arch.startswith(timm.PREFIX) or not is_dense(classifiers[arch]):
        return "classes"
    return "segmentation" if classes > 1 else "depth"


def check(arch: str, targets: Targets = "classes") -> None:
    """UnknownName with the nearest for a net that nobody knows; MissingExtra for one of timm's without timm;
    ConfigError for one whose outputs are not of these targets: one an image, or one a position."""
    if arch.startswith(timm.PREFIX):
        timm.check(arch)
        gives = False
    else:
        gives = is_dense(classifiers[arch])
    if gives != (targets != "classes"):
        per, wanted = ("position", "an image: resnet8") if gives else ("image", "a position: unet8")
        raise ConfigError.at(
            "", f"{arch} has an output for each {per}; a task of {targets} needs one for {wanted}, say"
        )
