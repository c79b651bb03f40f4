"""torchvision's ImageNet classifiers by name, with taps, any number of classes and any number of input channels.

Stages: the four residual stages of a ResNet (strides 4, 8, 16, 32); for MobileNetV2 the last bottleneck at each of the
same four strides; for VGG the five ReLUs in front of the max-pools (strides 1, 2, 4, 8, 16).
"""

from __future__ import annotations

import torch
from torch import nn

from dfkd_ray.nets.builders import Builder, classifiers
from dfkd_ray.nets.taps import Taps, attach_taps
from dfkd_ray.util.errors import ConfigError, DataError

_RESNET = Taps(("layer1", "layer2", "layer3", "layer4"), head="fc")
TAPS: dict[str, Taps] = {
    "resnet18": _RESNET,
    "resnet34": _RESNET,
    "resnet50": _RESNET,
    "mobilenet_v2": Taps(("features.3", "features.6", "features.13", "features.17"), head="classifier.1"),
    "vgg11_bn": Taps(("features.2", "features.6", "features.13", "features.20", "features.27"), head="classifier.6"),
}


def from_torchvision(arch: str, classes: int, channels: int) -> nn.Module:
    """A freshly initialised torchvision net, its first convolution rebuilt where `channels` is not 3."""
    import torchvision  # here, because importing it takes seconds

    model: nn.Module = torchvision.models.get_model(arch, weights=None, num_classes=classes)
    if channels != 3:
        _set_input_channels(model, channels)
    return attach_taps(model, TAPS[arch])


def pretrained(arch: str, classes: int, channels: int = 3) -> nn.Module:
    """The net with torchvision's IMAGENET1K_V1 weights (downloaded once, into torch's hub folder).

    Where `classes` is not 1000 the head is fresh. Where `channels` is not 3 the first convolution's weights are summed
    over RGB and shared out, so that an image of equal channels gives the same response as a grey RGB image.
    Raises ConfigError for a net that is not torchvision's, DataError when the weights cannot be had.
    """
    if arch not in TAPS:
        raise ConfigError.at("pretrained", f"{arch} has no ImageNet weights; those that have: {', '.join(TAPS)}")
    import torchvision

    weights = torchvision.models.get_model_weights(arch)["IMAGENET1K_V1"]
    try:
        # torch checks the hash of what it downloads, not of a file that is there, and would run the code in it
        state: dict[str, torch.Tensor] = weights.get_state_dict(progress=False, check_hash=True, weights_only=True)
    except Exception as error:  # no network, a hash that does not fit; and a damaged pickle raises almost anything
        folder, why = f"{torch.hub.get_dir()}/checkpoints", str(error).partition("\n")[0]
        raise DataError(
            f"{arch}: no ImageNet weights from {weights.url} ({why}); put the file into {folder}"
        ) from error
    model = from_torchvision(arch, classes, channels)
    stem = f"{_first_conv(model)}.weight"
    if channels != 3:
        state[stem] = state[stem].sum(dim=1, keepdim=True).expand(-1, channels, -1, -1) / channels
    if classes != 1000:
        head = TAPS[arch].head
        own = model.state_dict()
        state |= {name: own[name] for name in (f"{head}.weight", f"{head}.bias")}
    model.load_state_dict(state)
    return model


def _first_conv(model: nn.Module) -> str:
    name: str = next(name for name, module in model.named_modules() if isinstance(module, nn.Conv2d))
    return name


def _set_input_channels(model: nn.Module, channels: int) -> None:
    name = _first_conv(model)
    old = model.get_submodule(name)
    assert isinstance(old, nn.Conv2d)
    bias = old.bias is not None
    new = nn.Conv2d(channels, old.out_channels, old.kernel_size, old.stride, old.padding, bias=bias)  # type: ignore[arg-type]
    nn.init.kaiming_normal_(
        new.weight, mode="fan_out", nonlinearity="relu"
    )  # as torchvision does in all three families
    if new.bias is not None:
        nn.init.zeros_(new.bias)
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, new)


def _builder(arch: str) -> Builder:
    def build(classes: int, channels: int = 3) -> nn.Module:
        return from_torchvision(arch, classes, channels)

    return build


for _arch in TAPS:
    classifiers.register(_arch)(_builder(_arch))
