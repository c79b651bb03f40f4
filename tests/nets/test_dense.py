"""The contract of every dense net, and what the two kinds compute."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets import build, check, classifiers, taps_of, targets
from dfkd_ray.nets.builders import is_dense
from dfkd_ray.parts.catching import catch
from dfkd_ray.parts.signals import layout
from dfkd_ray.util.errors import ConfigError

DENSE = [name for name in classifiers if is_dense(classifiers[name])]
every_net = pytest.mark.parametrize("arch", DENSE)


def seeded(arch: str, outputs: int = 4, channels: int = 3) -> Any:
    torch.manual_seed(0)
    return build(arch, outputs, channels).eval()


@every_net
@pytest.mark.parametrize("sides", [(16, 16), (9, 14)])
def test_an_output_for_each_position(arch: str, sides: tuple[int, int]) -> None:
    x = torch.randn(2, 1, *sides)
    assert seeded(arch, channels=1)(x).shape == (2, 4, *sides)


@every_net
def test_what_is_tapped_is_what_the_head_reads(arch: str) -> None:
    net = seeded(arch)
    x = torch.randn(2, 3, 8, 8, requires_grad=True)
    caught = catch(net, x, norms=True)
    assert caught.outputs.shape == (2, 4, 8, 8)
    by_hand = caught.embedding @ net.head.weight[:, :, 0, 0].T + net.head.bias
    torch.testing.assert_close(by_hand.view(2, 8, 8, 4).permute(0, 3, 1, 2), caught.outputs)
    assert len(caught.stages) == len(taps_of(net).stages)
    assert len(caught.norms) == 2 * len(caught.stages)
    sum(stage.square().mean() for stage in caught.stages).backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_the_layout_says_what_is_told() -> None:
    assert layout(seeded("unet4"), (3, 8, 8)).targets == "segmentation"
    assert layout(seeded("unet4", outputs=1), (3, 8, 8)).targets == "depth"
    assert layout(build("resnet8", 4), (3, 32, 32)).targets == "classes"
    assert [targets("fcn8", 5), targets("fcn8", 1), targets("resnet8", 1)] == ["segmentation", "depth", "classes"]


def test_a_fcn_sums_a_score_of_each_scale_enlarged() -> None:
    net, x = seeded("fcn4"), torch.randn(2, 3, 12, 12)

    def block(name: str, x: Tensor) -> Tensor:
        layers = net.get_submodule(name)
        for conv, norm in ((layers[0], layers[1]), (layers[3], layers[4])):
            x = F.relu(norm(F.conv2d(x, conv.weight, padding=1)))
        return x

    first = block("down0", x)
    second = block("down1", F.max_pool2d(first, 2))
    third = block("down2", F.max_pool2d(second, 2))
    total, start = net.head.bias.view(1, -1, 1, 1), 0
    for each in (first, second, third):
        weight = net.head.weight[:, start : start + each.shape[1]]
        score = F.conv2d(each, weight)
        total = total + F.interpolate(score, (12, 12), mode="bilinear", align_corners=False)
        start += each.shape[1]
    torch.testing.assert_close(net(x), total, rtol=1e-4, atol=1e-5)


def test_a_unet_reads_the_first_scale_where_the_rest_is_silent() -> None:
    net, x = seeded("unet4"), torch.randn(1, 3, 8, 8)
    with torch.no_grad():
        net.up0[0].weight[:, 4:] = 0  # the channels that come from below
        before = net(x)
        net.down2[0].weight.zero_()
    assert torch.equal(net(x), before)


@pytest.mark.parametrize(
    ("arch", "kind", "said"),
    [
        ("resnet8", "segmentation", "resnet8 has an output for each image; a task of segmentation needs one for a"),
        (
            "unet8",
            "classes",
            "unet8 has an output for each position; a task of classes needs one for an image: resnet8",
        ),
    ],
)
def test_a_net_of_other_targets_is_refused(arch: str, kind: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check(arch, kind)
    check(arch, "classes" if kind != "classes" else "depth")
