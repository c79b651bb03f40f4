"""Any model of timm as a net: its taps are where timm says that its features are, if they are maps."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray import nets
from dfkd_ray.parts.signals import Pass, layout
from dfkd_ray.util.errors import ConfigError, DataError, MissingExtra, UnknownName

timm = pytest.importorskip("timm")

SMALL = "timm:test_resnet"  # at 64 pixels its stages have the strides 4, 8, 16, 32


@pytest.mark.parametrize("side", [32, 64])
def test_a_resnet_has_four_stages_and_batchnorm(side: int) -> None:
    net = nets.build(SMALL, classes=7)
    found = layout(net, (3, side, side))
    expected = tuple((c, side // s, side // s) for c, s in ((32, 4), (48, 8), (192, 16), (96, 32)))
    assert (found.stages, found.embedding, found.kind) == (expected, 96, "ResNet")
    assert len(found.norms) == sum(isinstance(module, nn.BatchNorm2d) for module in net.modules())
    assert net.training, "as torchvision's nets are when they are new"


def test_what_is_tapped_is_what_the_net_computes() -> None:
    net = nets.build(SMALL, classes=7).eval()
    x = torch.randn(2, 3, 64, 64, requires_grad=True)
    seen = Pass(net, x)
    assert torch.equal(seen.head(seen.embedding), net(x))
    stages: list[Tensor] = []
    y = net.maxpool(net.act1(net.bn1(net.conv1(x))))
    for name in nets.taps_of(net).stages:
        y = net.get_submodule(name)(y)
        stages.append(y)
    assert all(torch.equal(a, b) for a, b in zip(seen.stages, stages, strict=True))
    assert torch.equal(seen.norms[0].input, net.conv1[0](x)), "not overwritten by what follows"


@pytest.mark.parametrize(("name", "stages"), [("convnext", 4), ("efficientnet", 4), ("vit", 0)])
def test_features_that_are_tokens_are_no_stages(name: str, stages: int) -> None:
    net = nets.build(f"timm:test_{name}", classes=3)
    assert len(nets.taps_of(net).stages) == stages
    if not stages:
        with pytest.raises(ConfigError, match="VisionTransformer has no known stages: use its embedding instead"):
            _ = Pass(net, torch.zeros(1, 3, 160, 160)).stages


def test_features_with_their_channels_last_are_no_stages_and_a_net_of_one_size_says_so() -> None:
    made: Any = timm.models.swin_transformer.SwinTransformer
    net = made(img_size=56, embed_dim=8, depths=(1, 1), num_heads=(1, 1), num_classes=3)
    net.default_cfg = {"input_size": (3, 56, 56)}
    assert [each["num_chs"] for each in net.feature_info] == [8, 16]
    assert nets.timm._stages(net, 3) == ()
    with pytest.raises(ConfigError, match=r"SwinTransformer cannot be run on an image of \(3, 32, 32\): .*56"):
        layout(net, (3, 32, 32))


def test_other_classes_and_channels_and_the_same_seed() -> None:
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(nets.build(SMALL, classes=5, channels=1))
    first, second = (net.eval()(torch.ones(1, 1, 32, 32)) for net in made)
    assert first.shape == (1, 5)
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("arch", "message"),
    [
        ("timm:resnet18x", "unknown model of timm 'resnet18x'; did you mean 'resnet18'?"),
        ("timm:resnet18.tv", "unknown tag 'tv' of timm's resnet18; did you mean 'resnet18.tv_in1k'? (known: "),
        ("timm:resnet10t.x_y", "unknown tag 'x_y' of timm's resnet10t"),
    ],
)
def test_an_unknown_name_gets_the_nearest(arch: str, message: str) -> None:
    for ask in (nets.check, lambda arch: nets.build(arch, 10)):
        with pytest.raises(UnknownName) as caught:
            ask(arch)
        assert str(caught.value).startswith(message)
    nets.check("timm:resnet18.tv_in1k")


def test_a_model_that_ends_otherwise_is_refused() -> None:
    class Ends(nn.Module):
        def get_classifier(self) -> Any:
            return nn.Conv2d(4, 3, 1)

    with pytest.raises(ConfigError, match="timm:x ends in a Conv2d, not in one linear layer"):
        nets.timm._head("timm:x", Ends())


def test_weights_that_cannot_be_had_offline(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(
        DataError, match=r"^timm:test_resnet: no ImageNet weights from timm's hub \(.*\); its cache is "
    ):
        nets.build(SMALL, classes=3, pretrained=True)
    with pytest.raises(ConfigError, match="pretrained: timm has no weights for darknet17"):
        nets.build("timm:darknet17", classes=3, pretrained=True)


def test_without_timm_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingExtra, match=r"the net timm:resnet18 needs timm, .* pip install 'dfkd-ray\[timm\]'"):
        nets.check("timm:resnet18")
