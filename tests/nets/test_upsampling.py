from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets.upsampling import UpsamplingGenerator

Z = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))


def test_its_maps_at_32_pixels() -> None:
    maps = UpsamplingGenerator(8).features(Z)
    assert [tuple(each.shape[1:]) for each in maps] == [(128, 8, 8), (128, 16, 16), (64, 32, 32)]


@pytest.mark.parametrize("image", [(1, 16, 16), (3, 64, 32)])
@pytest.mark.parametrize("doublings", [1, 2, 3])
def test_the_asked_image_comes_out(image: tuple[int, int, int], doublings: int) -> None:
    net = UpsamplingGenerator(8, image, width=4, doublings=doublings)
    assert net(Z).shape == (4, *image)
    assert len(net.features(Z)) == 1 + doublings


def test_the_forward_pass() -> None:
    net = UpsamplingGenerator(8, (3, 8, 16), width=4, output="tanh").double()
    p = dict(net.named_parameters())

    def norm(x: Tensor, name: str) -> Tensor:
        return F.batch_norm(x, None, None, p[f"{name}.weight"], p[f"{name}.bias"], training=True)

    y = norm((Z.double() @ p["project.weight"].T + p["project.bias"]).view(4, 8, 2, 4), "norm")
    for number in (0, 1):
        y = y.repeat_interleave(2, 2).repeat_interleave(2, 3)
        y = F.conv2d(y, p[f"blocks.{number}.1.weight"], p[f"blocks.{number}.1.bias"], padding=1)
        y = norm(y, f"blocks.{number}.2")
        y = torch.where(y > 0, y, 0.2 * y)
    y = torch.tanh(F.conv2d(y, p["to_image.weight"], p["to_image.bias"], padding=1))
    torch.testing.assert_close(net(Z.double()), y)


@pytest.mark.parametrize("training", [True, False])
def test_the_maps_of_any_depth_become_the_images(training: bool) -> None:
    net = UpsamplingGenerator(8, (3, 16, 16), width=4).train(training)
    images = net(Z)
    for depth, maps in enumerate(net.features(Z)):
        torch.testing.assert_close(net.decode(maps, depth), images)


def test_spectral_norm_holds_every_convolution_and_nothing_else() -> None:
    net: Any = UpsamplingGenerator(8, (3, 16, 16), width=4, spectral_norm=True)
    for _ in range(60):  # a pass is a step of the power iteration
        net(Z)
    for conv in (net.blocks[0][1], net.blocks[1][1], net.to_image):
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)
    assert not hasattr(net.project, "parametrizations")
    assert not hasattr(UpsamplingGenerator(8, (3, 16, 16)).to_image, "parametrizations")
    again = copy.deepcopy(net).eval()
    assert torch.equal(again(Z), net.eval()(Z))
