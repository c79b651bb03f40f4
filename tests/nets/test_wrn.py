from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets import build, taps_of
from dfkd_ray.nets.wrn import WideResNet

NETS = [(16, 1), (16, 2), (40, 1), (40, 2)]


@pytest.mark.parametrize(("depth", "widen"), NETS)
def test_parameters_by_arithmetic(depth: int, widen: int) -> None:
    total, inputs = 3 * 9 * 16, 16
    for outputs in (16 * widen, 32 * widen, 64 * widen):
        for _ in range((depth - 4) // 6):
            shortcut = inputs * outputs if inputs != outputs else 0
            total += 2 * inputs + 9 * inputs * outputs + 2 * outputs + 9 * outputs * outputs + shortcut
            inputs = outputs
    total += 2 * inputs + inputs * 10 + 10
    assert sum(p.numel() for p in build(f"wrn_{depth}_{widen}", classes=10).parameters()) == total


# WRN-40-1 and 40-2 as the paper rounds them, in millions; 0.17 is the usual figure for WRN-16-1
@pytest.mark.parametrize(("arch", "millions"), [("wrn_16_1", 0.17), ("wrn_40_1", 0.6), ("wrn_40_2", 2.2)])
def test_parameters_as_published(arch: str, millions: float) -> None:
    count = sum(p.numel() for p in build(arch, classes=10).parameters()) / 1e6
    assert count == pytest.approx(millions, abs=0.05)


def functional_wrn(p: dict[str, Tensor], x: Tensor, blocks: int, large: bool = False) -> tuple[Tensor, list[Tensor]]:
    """The paper's net from its weights alone, with batch statistics: logits and the outputs of the groups.

    large: behind the stem of an ImageNet ResNet.
    """

    def bn_relu(y: Tensor, name: str) -> Tensor:
        return F.batch_norm(y, None, None, p[f"{name}.weight"], p[f"{name}.bias"], training=True).clamp(min=0)

    if large:
        x = F.max_pool2d(F.conv2d(x, p["conv1.weight"], stride=2, padding=3), 3, stride=2, padding=1)
    else:
        x = F.conv2d(x, p["conv1.weight"], padding=1)
    groups = []
    for group in (1, 2, 3):
        for number in range(blocks):
            name = f"block{group}.layer.{number}"
            stride = 2 if group > 1 and number == 0 else 1
            o = bn_relu(x, f"{name}.bn1")
            y = F.conv2d(o, p[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = F.conv2d(bn_relu(y, f"{name}.bn2"), p[f"{name}.conv2.weight"], padding=1)
            widens = f"{name}.convShortcut.weight" in p
            x = y + (F.conv2d(o, p[f"{name}.convShortcut.weight"], stride=stride) if widens else x)
        groups.append(x)
    pooled = F.adaptive_avg_pool2d(bn_relu(x, "bn1"), 1).flatten(1)
    return F.linear(pooled, p["fc.weight"], p["fc.bias"]), groups


@pytest.mark.parametrize(("depth", "widen"), NETS[:2])
def test_logits_and_stages_follow_the_paper(depth: int, widen: int) -> None:
    net = build(f"wrn_{depth}_{widen}", classes=5).double()
    stages: list[Tensor] = []
    for name in taps_of(net).stages:
        net.get_submodule(name).register_forward_hook(lambda m, i, out: stages.append(out))
    x = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    logits, groups = functional_wrn(dict(net.named_parameters()), x, (depth - 4) // 6)
    torch.testing.assert_close(net(x), logits)
    for stage, group in zip(stages, groups):
        torch.testing.assert_close(stage, group)


def test_the_stem_for_large_images_leaves_a_quarter_of_each_side() -> None:
    net = WideResNet(10, 1, classes=5, large=True).double()
    x = torch.randn(2, 3, 96, 64, dtype=torch.float64)
    logits, groups = functional_wrn(dict(net.named_parameters()), x, 1, large=True)
    torch.testing.assert_close(net(x), logits)
    assert groups[0].shape[2:] == (24, 16)
    one, other = (build(f"{name}wrn_40_2", 10).state_dict() for name in ("", "imagenet_"))
    assert {n for n in one if one[n].shape != other[n].shape} == {"conv1.weight"}
    assert one.keys() == other.keys()


@pytest.mark.parametrize("depth", [4, 18])
def test_a_depth_that_is_not_six_n_plus_four_is_refused(depth: int) -> None:
    with pytest.raises(ValueError, match=rf"6 n \+ 4 .*got {depth}"):
        WideResNet(depth, 1, classes=10)
