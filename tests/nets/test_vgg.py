from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets import build, taps_of


def test_parameters_of_column_a_by_arithmetic() -> None:
    widths = [(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512)]
    convolutions = sum(9 * i * o + o + 2 * o for i, o in widths)  # weight, bias, BatchNorm
    net = build("cifar_vgg11_bn", classes=10)
    assert sum(p.numel() for p in net.parameters()) == convolutions + 512 * 10 + 10 == 9_231_114


def test_the_names_are_those_of_the_published_weights() -> None:
    names = [name for name in build("cifar_vgg11_bn", classes=10).state_dict() if name.endswith("weight")]
    assert names[:4] == ["block0.0.weight", "block0.1.weight", "block1.0.weight", "block1.1.weight"]
    assert names[4:8] == ["block2.0.weight", "block2.1.weight", "block2.3.weight", "block2.4.weight"]
    assert names[-1] == "classifier.weight"
    assert len(names) == 2 * 8 + 1


def functional_vgg(p: dict[str, Tensor], x: Tensor, pools: int) -> tuple[Tensor, list[Tensor]]:
    """Column A from its weights alone, with batch statistics: logits, and the maps after each block."""
    maps = []
    for block, depth in enumerate((1, 1, 2, 2, 2)):
        for layer in range(depth):
            conv, norm = f"block{block}.{3 * layer}", f"block{block}.{3 * layer + 1}"
            x = F.conv2d(x, p[f"{conv}.weight"], p[f"{conv}.bias"], padding=1)
            x = F.batch_norm(x, None, None, p[f"{norm}.weight"], p[f"{norm}.bias"], training=True).clamp(min=0)
        maps.append(x)
        x = F.max_pool2d(x, 2) if block < pools else x
    return F.linear(F.adaptive_avg_pool2d(x, 1).flatten(1), p["classifier.weight"], p["classifier.bias"]), maps


@pytest.mark.parametrize(("side", "pools"), [(32, 3), (64, 4)])
def test_logits_and_stages_follow_the_table(side: int, pools: int) -> None:
    net = build("cifar_vgg11_bn", classes=5).double()
    stages: list[Tensor] = []
    for name in taps_of(net).stages:
        net.get_submodule(name).register_forward_hook(lambda m, i, out: stages.append(out))
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    logits, maps = functional_vgg(dict(net.named_parameters()), x, pools)
    torch.testing.assert_close(net(x), logits)
    assert [stage.shape[2] for stage in stages] == [side, side // 2, side // 4, side // 8, side // 2**pools]
    for stage, expected in zip(stages, maps):
        torch.testing.assert_close(stage, expected)
