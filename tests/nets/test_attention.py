from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from dfkd_ray.nets import HighOrderAttention, SpatialAttention


def features(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


def scores_of_table_6(sam: SpatialAttention, x: Tensor) -> Tensor:
    """Rows a to f of table 6 from the weights alone, with batch statistics and an unpool spelt out."""
    p = dict(sam.named_parameters())

    def bn_relu(y: Tensor, name: str) -> Tensor:
        return F.batch_norm(y, None, None, p[f"{name}.1.weight"], p[f"{name}.1.bias"], training=True).clamp(min=0)

    a = F.conv2d(x, p["reduce.weight"], p["reduce.bias"])
    b = bn_relu(F.conv2d(a, p["encode.0.weight"], p["encode.0.bias"], padding=1), "encode")
    pooled, indices = F.max_pool2d(b, 2, return_indices=True)
    c = bn_relu(F.conv2d(pooled, p["middle.0.weight"], p["middle.0.bias"], padding=1), "middle")
    d = bn_relu(F.conv_transpose2d(c, p["decode.0.weight"], p["decode.0.bias"], padding=1), "decode")
    unpooled = torch.zeros_like(b).flatten(2).scatter(2, indices.flatten(2), d.flatten(2)).view_as(b)
    e = bn_relu(F.conv_transpose2d(unpooled, p["refine.0.weight"], p["refine.0.bias"], padding=1), "refine")
    return F.conv2d(e, p["expand.weight"], p["expand.bias"])


@pytest.mark.parametrize("size", [(8, 8), (6, 4), (7, 5)])
@pytest.mark.parametrize("variant", ["spatial", "channel", "spatial_rescaled"])
def test_the_formula_of_eq_6(variant: str, size: tuple[int, int]) -> None:
    sam = SpatialAttention(16, reduction=4, mix=0.3, variant=variant).double()  # type: ignore[arg-type]
    x = features(3, 16, *size)
    scores = scores_of_table_6(sam, x)
    if variant == "channel":
        p = scores.exp() / scores.exp().sum(1, keepdim=True)
    else:
        p = scores.exp() / scores.exp().sum((2, 3), keepdim=True)
        p = p * (size[0] * size[1] if variant == "spatial_rescaled" else 1)
    torch.testing.assert_close(sam(x), x + 0.3 * p * x)


@pytest.mark.parametrize(("reduction", "millions"), [(2, 4.15), (4, 1.06), (8, 0.278), (16, 0.076)])
def test_parameters_of_the_four_modules_of_the_generator(reduction: int, millions: float) -> None:
    modules = [SpatialAttention(channels, reduction) for channels in (256, 128, 64, 64)]
    total = sum(p.numel() for module in modules for p in module.parameters())
    assert total / 1e6 == pytest.approx(millions, abs=0.005 if millions > 1 else 0.0005)


def test_the_inner_width_is_at_least_one() -> None:
    sam = SpatialAttention(4, reduction=8)
    assert sam.reduce.out_channels == 1
    assert sam(torch.randn(2, 4, 4, 4)).shape == (2, 4, 4, 4)


def test_the_literal_factor_lies_between_one_and_one_plus_mix() -> None:
    x = features(2, 16, 8, 8)
    factor = SpatialAttention(16, mix=0.05).double()(x) / x
    assert factor.min() >= 1 - 1e-12
    assert factor.max() <= 1.05 + 1e-12
    assert factor.max() > 1


def test_a_mix_of_zero_returns_the_input_and_leaves_the_statistics_alone() -> None:
    sam = SpatialAttention(16, mix=0)
    before = copy.deepcopy(sam.state_dict())
    x = torch.randn(2, 16, 8, 8)
    assert sam(x) is x
    assert all(torch.equal(before[name], value) for name, value in sam.state_dict().items())


@pytest.mark.parametrize("variant", ["spatial", "channel", "spatial_rescaled"])
def test_huge_scores_stay_finite(variant: str) -> None:
    sam = SpatialAttention(8, variant=variant)  # type: ignore[arg-type]
    with torch.no_grad():
        sam.expand.weight.mul_(1e5)
    x = torch.randn(2, 8, 8, 8, requires_grad=True)
    y = sam(x)
    y.sum().backward()
    assert torch.isfinite(y).all()
    assert torch.isfinite(x.grad).all()


def test_channels_last_goes_through() -> None:
    sam = SpatialAttention(16).double()
    last = copy.deepcopy(sam).to(memory_format=torch.channels_last)
    x = features(2, 16, 8, 8)
    y = last(x.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(y, sam(x))
    assert y.is_contiguous(memory_format=torch.channels_last)


def gate_by_loops(mha: HighOrderAttention, x: Tensor) -> Tensor:
    """Section 1.3's formula with one W at a time, in the order (r, i) = (1,1), (2,1), (2,2), (3,1), ..."""
    weights = iter(mha.reduce.weight[:, :, 0, 0].split(mha.inner))
    routes = []
    for rank in range(1, mha.order + 1):
        product: Tensor | float = 1.0
        for _ in range(rank):
            product = product * torch.einsum("oc,bchw->bohw", next(weights), x)
        expand = mha.expand[rank - 1].weight[:, :, 0, 0]
        routes.append(torch.einsum("co,bohw->bchw", expand, torch.clamp(product, min=0)))
    assert next(weights, None) is None
    if mha.activation == "mean_sigmoid":
        return sum(1 / (1 + torch.exp(-route)) for route in routes) / mha.order
    return 1 / (1 + torch.exp(-sum(routes)))


@pytest.mark.parametrize("order", [1, 2, 3, 4])
@pytest.mark.parametrize("activation", ["mean_sigmoid", "sigmoid_sum"])
def test_the_gate_follows_the_formula(order: int, activation: str) -> None:
    mha = HighOrderAttention(16, order, activation).double()  # type: ignore[arg-type]
    x = 3 * features(2, 16, 5, 4)
    torch.testing.assert_close(mha(x), gate_by_loops(mha, x))
    torch.testing.assert_close(mha.attend(x), gate_by_loops(mha, x) * x)


@pytest.mark.parametrize(("channels", "weights"), [(64, 9_216), (128, 36_864), (256, 147_456), (512, 589_824)])
def test_weights_at_order_three(channels: int, weights: int) -> None:
    assert sum(p.numel() for p in HighOrderAttention(channels).parameters()) == weights


@pytest.mark.parametrize(("channels", "inner"), [(3, 1), (7, 1), (8, 2), (24, 6), (31, 6)])
def test_the_inner_width_of_the_gate(channels: int, inner: int) -> None:
    mha = HighOrderAttention(channels)
    assert mha.inner == inner
    assert mha(torch.randn(2, channels, 3, 3)).shape == (2, channels, 3, 3)


def test_every_weight_of_the_gate_and_the_features_receive_gradient() -> None:
    mha = HighOrderAttention(32, order=4)
    x = torch.randn(8, 32, 6, 6, requires_grad=True)
    mha.attend(x).square().mean().backward()
    per_factor = mha.reduce.weight.grad.split(mha.inner)
    assert len(per_factor) == 10
    assert all(g.abs().sum() > 0 for g in (*per_factor, x.grad, *(conv.weight.grad for conv in mha.expand)))


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ValueError, match="order must be 1, 2, 3 or 4, got 5"):
        HighOrderAttention(8, order=5)
    with pytest.raises(ValueError, match="activation must be one of mean_sigmoid, sigmoid_sum, got 'relu'"):
        HighOrderAttention(8, activation="relu")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="variant must be one of spatial, channel, spatial_rescaled, got 'cbam'"):
        SpatialAttention(8, variant="cbam")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="reduction must be >= 1, got 0"):
        SpatialAttention(8, reduction=0)
