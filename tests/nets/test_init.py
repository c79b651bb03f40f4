"""The contract of every registered classifier."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray import nets
from dfkd_ray.nets import build, classifiers, taps_of
from dfkd_ray.util.errors import ConfigError, UnknownName

DEPTHS = (8, 20, 32, 44, 56, 110)
THIN = {f"resnet{depth}{option}" for depth in DEPTHS for option in ("", "_b")}
VGG = {f"cifar_vgg{depth}_bn" for depth in (8, 11, 13, 16, 19)}
CIFAR = THIN | VGG | {"resnet8x4", "resnet32x4", "cifar_resnet18", "cifar_resnet34", "cifar_resnet50"}
WIDE = {"wrn_16_1", "wrn_16_2", "wrn_40_1", "wrn_40_2"}
LARGE = {"imagenet_wrn_40_2", "resnet18", "resnet34", "resnet50", "mobilenet_v2", "vgg11_bn"}
# (channels, side) of the stages, at 32 pixels, and at 64 for those of larger images
NARROW = [(16, 32), (32, 16), (64, 8)]
DENSE = {f"{kind}{width}" for kind in ("unet", "fcn") for width in (4, 8, 16, 32)}  # see test_dense
STAGES = {
    **dict.fromkeys(THIN, NARROW),
    **{key: [(64, 32), (128, 16), (256, 8)] for key in ("resnet8x4", "resnet32x4")},
    "wrn_16_1": NARROW,
    "wrn_40_1": NARROW,
    "wrn_16_2": [(32, 32), (64, 16), (128, 8)],
    "wrn_40_2": [(32, 32), (64, 16), (128, 8)],
    "imagenet_wrn_40_2": [(32, 16), (64, 8), (128, 4)],
    "cifar_resnet18": [(64, 32), (128, 16), (256, 8), (512, 4)],
    "cifar_resnet34": [(64, 32), (128, 16), (256, 8), (512, 4)],
    "cifar_resnet50": [(256, 32), (512, 16), (1024, 8), (2048, 4)],
    **{key: [(64, 32), (128, 16), (256, 8), (512, 4), (512, 4)] for key in VGG},
    "resnet18": [(64, 16), (128, 8), (256, 4), (512, 2)],
    "resnet34": [(64, 16), (128, 8), (256, 4), (512, 2)],
    "resnet50": [(256, 16), (512, 8), (1024, 4), (2048, 2)],
    "mobilenet_v2": [(24, 16), (32, 8), (96, 4), (320, 2)],
    "vgg11_bn": [(64, 64), (128, 32), (256, 16), (512, 8), (512, 4)],
}


def side(arch: str) -> int:
    return 64 if arch in LARGE else 32


@pytest.fixture(scope="module", params=sorted(CIFAR | WIDE | LARGE))
def arch_and_net(request: pytest.FixtureRequest) -> tuple[str, nn.Module]:
    torch.manual_seed(0)
    return request.param, build(request.param, classes=7)


def images(arch: str, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, side(arch), side(arch), generator=torch.Generator().manual_seed(1))


def test_the_registry_holds_these_nets_and_no_others() -> None:
    assert set(classifiers) == CIFAR | WIDE | LARGE | DENSE


def test_logits_have_the_asked_number_of_classes_and_eval_is_deterministic(
    arch_and_net: tuple[str, nn.Module],
) -> None:
    arch, net = arch_and_net
    net.eval()
    with torch.no_grad():
        first, second = net(images(arch)), net(images(arch))
    assert first.shape == (2, 7)
    assert torch.equal(first, second)
    assert torch.isfinite(first).all()


@pytest.mark.parametrize("arch", sorted(CIFAR | WIDE | LARGE))
def test_one_channel_and_one_class(arch: str) -> None:
    net = build(arch, classes=1, channels=1).eval()
    assert taps_of(net) == net.taps
    with torch.no_grad():
        assert net(images(arch, channels=1)).shape == (2, 1)


@pytest.mark.parametrize("training", [False, True])
def test_what_is_tapped_is_right_and_stays_right(arch_and_net: tuple[str, nn.Module], training: bool) -> None:
    """Stage outputs, BatchNorm inputs and the embedding keep their values until the end of the pass and backward."""
    arch, net = arch_and_net
    net.train(training)
    taps = taps_of(net)
    seen: dict[str, tuple[Tensor, Tensor]] = {}  # the tensor, and a copy of it made when it was new

    def keep(name: str, value: Tensor) -> None:
        seen[name] = (value, value.detach().clone())

    handles = [
        net.get_submodule(name).register_forward_hook(lambda m, i, out, name=name: keep(name, out))
        for name in taps.stages
    ]
    handles += [
        module.register_forward_pre_hook(lambda m, inputs, name=name: keep(f"bn {name}", inputs[0]))
        for name, module in net.named_modules()
        if isinstance(module, nn.BatchNorm2d)
    ]
    head = net.get_submodule(taps.head)
    handles.append(head.register_forward_pre_hook(lambda m, inputs: keep("embedding", inputs[0])))
    x = images(arch).requires_grad_()
    logits = net(x)
    for handle in handles:
        handle.remove()

    for name, (now, then) in seen.items():
        assert torch.equal(now, then), f"{name} was overwritten"
    assert [(seen[n][0].shape[1], seen[n][0].shape[2]) for n in taps.stages] == STAGES[arch]
    assert torch.equal(head(seen["embedding"][0]), logits)
    sum(seen[name][0].square().mean() for name in (*taps.stages, "embedding")).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0
    net.zero_grad(set_to_none=True)


@pytest.mark.parametrize("arch", sorted((CIFAR | WIDE | LARGE) - {"mobilenet_v2", "vgg11_bn"} - VGG))
def test_a_stage_computed_again_from_the_stage_before_is_the_tapped_one(arch: str) -> None:
    net = build(arch, classes=3).eval()
    stages = [net.get_submodule(name) for name in taps_of(net).stages]
    outputs: list[Tensor] = []
    handles = [stage.register_forward_hook(lambda m, i, out: outputs.append(out)) for stage in stages]
    with torch.no_grad():
        net(images(arch))
        for handle in handles:
            handle.remove()
        for stage, given, tapped in zip(stages[1:], outputs, outputs[1:]):
            assert torch.equal(stage(given), tapped)


@pytest.mark.parametrize("arch", ["resnet20", "wrn_16_1", "resnet18"])
def test_channels_last_gives_the_same_logits_and_stages_in_that_layout(arch: str) -> None:
    net = build(arch, classes=5).eval().double()
    x = images(arch).double()
    last = copy.deepcopy(net).to(memory_format=torch.channels_last)
    stages: list[Tensor] = []
    for name in taps_of(last).stages:
        last.get_submodule(name).register_forward_hook(lambda m, i, out: stages.append(out))
    with torch.no_grad():
        torch.testing.assert_close(last(x.contiguous(memory_format=torch.channels_last)), net(x))
    assert all(stage.is_contiguous(memory_format=torch.channels_last) for stage in stages)


@pytest.mark.parametrize("arch", ["resnet8", "wrn_16_1", "mobilenet_v2"])
def test_taps_survive_copies_and_stay_out_of_the_state(arch: str) -> None:
    net = build(arch, classes=3)
    assert taps_of(copy.deepcopy(net)) == taps_of(pickle.loads(pickle.dumps(net))) == net.taps
    assert not any("taps" in key for key in net.state_dict())


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(UnknownName, match=r"unknown net 'resnet_20'; did you mean 'resnet20'\?"):
        build("resnet_20", classes=10)


@pytest.mark.parametrize(("numbers", "place"), [({"classes": 0}, "classes"), ({"classes": 2, "channels": 0}, "chann")])
def test_numbers_below_one_are_refused(numbers: dict[str, int], place: str) -> None:
    with pytest.raises(ConfigError, match=rf"{place}\w*: must be >= 1, got 0"):
        build("resnet8", **numbers)


def test_public_names_exist() -> None:
    assert all(hasattr(nets, name) for name in nets.__all__)
    assert sorted(nets.__all__) == nets.__all__
