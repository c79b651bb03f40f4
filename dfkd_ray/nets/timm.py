"""timm's models by name, `timm:resnet10t` or `timm:resnet50.a1_in1k` (a tag says which ImageNet weights).

Stages: of timm's own list of features those at strides of 4 and more, as of torchvision's nets, if they are maps
(B, C, H, W); a model whose features are tokens, or have their channels last, has none, and terms that need stages say
so. Head: the model's classifier, where it is one linear layer.
"""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dfkd_ray.nets.taps import Taps, attach_taps
from dfkd_ray.util.errors import ConfigError, DataError, MissingExtra, UnknownName

PREFIX = "timm:"
COARSE = 4  # the finest stride of a stage


def check(arch: str) -> None:
    """UnknownName with the nearest for a model or a tag that timm does not have; MissingExtra without timm."""
    timm, name = _timm(arch), arch.removeprefix(PREFIX)
    model, _, tag = name.partition(".")
    if not timm.is_model(model):
        raise UnknownName(f"unknown model of timm {name!r}{_nearest(model, timm.list_models())}")
    tags = timm.list_pretrained(f"{model}.*") if tag else [name]
    if name not in tags:
        known = f" (known: {', '.join(tags)})" if tags else f": {model} has none"
        raise UnknownName(f"unknown tag {tag!r} of timm's {model}{_nearest(name, tags)}{known}")


def build(arch: str, classes: int, channels: int, pretrained: bool) -> nn.Module:
    """The model with `classes` logits for images of `channels` channels; it carries `.taps`.

    pretrained: timm's weights, downloaded once into the cache of huggingface_hub, with a fresh head where `classes` are
    not theirs; for another number of channels than 3 timm adapts the first convolution. Raises what `check` does,
    ConfigError for a model without such weights or one linear layer at its end, DataError for no connection.
    """
    check(arch)
    timm, name = _timm(arch), arch.removeprefix(PREFIX)
    if pretrained and not timm.models.is_model_pretrained(name):
        raise ConfigError.at("pretrained", f"timm has no weights for {name}")
    try:
        net: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=classes, in_chans=channels)
    except OSError as error:  # what timm's downloads raise, in all their kinds
        where = importlib.import_module("huggingface_hub.constants").HF_HUB_CACHE
        reason = str(error).splitlines()[0]
        raise DataError(f"{arch}: no ImageNet weights from timm's hub ({reason}); its cache is {where}") from None
    return attach_taps(net, Taps(_stages(net, channels), _head(arch, net)))


def _timm(arch: str) -> Any:
    try:
        return importlib.import_module("timm")
    except ImportError:
        raise MissingExtra("timm", "timm", f"the net {arch}") from None


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _head(arch: str, net: Any) -> str:
    classifier = net.get_classifier()
    if not isinstance(classifier, nn.Linear):
        kind = type(classifier).__name__
        raise ConfigError.at("", f"{arch} ends in a {kind}, not in one linear layer that an embedding could enter")
    found: str = next(name for name, module in net.named_modules() if module is classifier)
    return found


def _stages(net: Any, channels: int) -> tuple[str, ...]:
    """The names of the modules that yield maps, found by a pass over one blank image of timm's own size."""
    listed = [each for each in getattr(net, "feature_info", None) or [] if each.get("reduction", 0) >= COARSE]
    modules, seen = dict(net.named_modules()), dict[str, Any]()
    wanted = {each["module"]: each for each in listed if each.get("module") in modules}
    hooks = [modules[name].register_forward_hook(_hook(name, seen)) for name in wanted]
    image = torch.zeros(1, channels, *net.default_cfg["input_size"][1:])
    net.eval()
    try:
        with torch.no_grad():
            net(image)
    finally:
        net.train()
        for hook in hooks:
            hook.remove()
    return tuple(name for name, each in wanted.items() if _is_map(seen.get(name), each, image))


def _hook(name: str, seen: dict[str, Any]) -> Any:
    return lambda module, args, output: seen.__setitem__(name, output)


def _is_map(output: Any, listed: Mapping[str, Any], image: Tensor) -> bool:
    """Whether an output is (1, C, H, W) with the channels and about the size that timm states."""
    if not isinstance(output, Tensor) or output.ndim != 4 or output.shape[1] != listed["num_chs"]:
        return False
    stride: int = listed["reduction"]
    return abs(output.shape[2] * stride - image.shape[2]) < 2 * stride
