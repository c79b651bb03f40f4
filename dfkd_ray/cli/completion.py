"""What a shell completes (`dfkd-ray --install-completion`): names of what is shipped, studies, paths of settings.

Answered without torch, a moment after the key. Where none of these fits, the shell completes files itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dfkd_ray.util import shipped

Found = list[str]
NETS = (  # the registry of `dfkd_ray.nets` in words, which can be read without torch
    *("resnet8", "resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "resnet8x4", "resnet32x4"),
    *("resnet8_b", "resnet20_b", "resnet32_b", "resnet44_b", "resnet56_b", "resnet110_b"),
    *("wrn_16_1", "wrn_16_2", "wrn_40_1", "wrn_40_2", "imagenet_wrn_40_2"),
    *("cifar_resnet18", "cifar_resnet34", "cifar_resnet50"),
    *("cifar_vgg8_bn", "cifar_vgg11_bn", "cifar_vgg13_bn", "cifar_vgg16_bn", "cifar_vgg19_bn"),
    *("resnet18", "resnet34", "resnet50", "mobilenet_v2", "vgg11_bn"),
    *("fcn4", "fcn8", "fcn16", "fcn32", "unet4", "unet8", "unet16", "unet32"),
)


def studies(incomplete: str) -> Found:
    """Of the study files that ship."""
    return [path.stem for path in shipped.studies()]


def methods(incomplete: str) -> Found:
    return shipped.names("methods")


def tasks(incomplete: str) -> Found:
    return shipped.names("datasets")


def nets(incomplete: str) -> Found:
    return sorted(NETS)


def presets(incomplete: str) -> Found:
    from dfkd_ray.util.choices import PAPER

    return [PAPER, *shipped.names("methods/presets")]


def catalogue(incomplete: str) -> Found:
    """What `show` takes by name."""
    return [*studies(incomplete), *methods(incomplete), *tasks(incomplete), *runs(incomplete)]


def runs(incomplete: str) -> Found:
    """The folders of studies and runs under reports/."""
    from dfkd_ray.tune.standing import REPORTS, studies_in

    return [str(folder) for folder in studies_in(REPORTS)]


def paths(incomplete: str) -> Found:
    """The paths of settings that a method or a study that ships has."""
    from dfkd_ray.util import yamls

    found: dict[str, None] = {}
    for name in shipped.names("methods"):
        found |= dict.fromkeys(_below(yamls.load(shipped.file_of("methods", name)).data))
    for path in shipped.studies():
        raw = yamls.load(path).data
        found |= dict.fromkeys([*raw.get("search", {}), *raw.get("fixed", {})])
    return sorted(found)


def assignments(incomplete: str) -> Found:
    """The same, as `--set` takes them."""
    return [f"{path}=" for path in paths(incomplete)]


def _below(raw: Any, at: str = "") -> Iterator[str]:
    """The path of everything in plain data, but of lists."""
    for key, value in raw.items() if isinstance(raw, Mapping) else ():
        path = f"{at}.{key}" if at else str(key)
        yield path
        yield from _below(value, path)
