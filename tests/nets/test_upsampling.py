from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.nets.conditioners import SumEmbedding
from dfkd_ray.nets.upsampling import UpsampledConv, UpsamplingGenerator

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


@pytest.mark.parametrize("fields", [{}, {"start_widths": 4, "block_eps": 0.8}], ids=str)
def test_the_forward_pass(fields: dict[str, Any]) -> None:
    net = UpsamplingGenerator(8, (3, 8, 16), width=4, output="tanh", **fields).double()
    p = dict(net.named_parameters())

    def norm(x: Tensor, name: str, eps: float = 1e-5) -> Tensor:
        return F.batch_norm(x, None, None, p[f"{name}.weight"], p[f"{name}.bias"], training=True, eps=eps)

    first = 4 * fields.get("start_widths", 2)
    y = norm((Z.double() @ p["project.weight"].T + p["project.bias"]).view(4, first, 2, 4), "norm")
    for number in (0, 1):
        y = y.repeat_interleave(2, 2).repeat_interleave(2, 3)
        y = F.conv2d(y, p[f"blocks.{number}.1.weight"], p[f"blocks.{number}.1.bias"], padding=1)
        y = norm(y, f"blocks.{number}.2", fields.get("block_eps", 1e-5))
        y = torch.where(y > 0, y, 0.2 * y)
    y = torch.tanh(F.conv2d(y, p["to_image.weight"], p["to_image.bias"], padding=1))
    torch.testing.assert_close(net(Z.double()), y)


def test_a_wider_first_map_leaves_the_others() -> None:
    maps = UpsamplingGenerator(8, width=64, doublings=3, start_widths=4).features(Z)
    assert [tuple(each.shape[1:]) for each in maps] == [(256, 4, 4), (128, 8, 8), (128, 16, 16), (64, 32, 32)]


@pytest.mark.parametrize("spectral_norm", [False, True])
def test_an_initialisation_is_that_of_the_weights_under_spectral_norm(spectral_norm: bool) -> None:
    torch.manual_seed(0)
    net = UpsamplingGenerator(8, spectral_norm=spectral_norm, init="uniform")
    weights = {name: p for name, p in net.named_parameters() if p.ndim > 1}
    assert len(weights) == 4
    assert all("original" in name for name in weights if "project" not in name) is spectral_norm
    for weight in weights.values():
        assert 0.078 < weight.abs().max() <= 0.08


def test_an_initialisation_leaves_what_reads_labels_alone() -> None:
    net = UpsamplingGenerator(8, init="uniform", condition=lambda latent, sides: SumEmbedding(500, latent))
    embedding: Any = net.condition.embedding
    assert embedding.weight.std().item() == pytest.approx(1, rel=0.1)


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
    for conv in (net.blocks[0][0], net.blocks[1][0], net.to_image):
        assert torch.linalg.matrix_norm(conv.weight.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)
    assert not hasattr(net.project, "parametrizations")
    assert not hasattr(UpsamplingGenerator(8, (3, 16, 16)).to_image, "parametrizations")
    again = copy.deepcopy(net).eval()
    assert torch.equal(again(Z), net.eval()(Z))


def both(inputs: int = 5, outputs: int = 4) -> tuple[UpsampledConv, nn.Sequential]:
    """A layer, and the two that it stands for, of the same seed."""
    torch.manual_seed(0)
    own = UpsampledConv(inputs, outputs)
    torch.manual_seed(0)
    two = nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(inputs, outputs, 3, padding=1))
    assert all(map(torch.equal, own.state_dict().values(), two.state_dict().values()))
    return own, two


@pytest.mark.parametrize("sides", [(1, 1), (2, 3), (8, 4)])
def test_an_upsampled_convolution_is_its_two_layers_forward_and_backward(sides: tuple[int, int]) -> None:
    layers = [each.double() for each in both()]
    x = torch.randn(2, 5, *sides, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(2, 4, 2 * sides[0], 2 * sides[1], dtype=torch.float64)
    outs = [layer(x) for layer in layers]
    torch.testing.assert_close(*outs, rtol=1e-12, atol=1e-12)
    own, two = (torch.autograd.grad(out, [x, *layer.parameters()], upstream) for layer, out in zip(layers, outs))
    torch.testing.assert_close(own, two, rtol=1e-12, atol=1e-12)


def test_an_upsampled_convolution_in_halves_is_torch_s() -> None:
    own, two = both()
    x = torch.randn(2, 5, 4, 4)
    with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        assert torch.equal(own(x), two(x))


def test_weights_have_the_names_of_the_files_that_are_there() -> None:
    names = {name for name in UpsamplingGenerator(8, width=4).state_dict() if "blocks.1" in name}
    norm = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    assert names == {"blocks.1.1.weight", "blocks.1.1.bias", *(f"blocks.1.2.{each}" for each in norm)}
