"""BatchNorm and dropout as they are for ranks, here of one rank alone: see test_sharing for two."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dfkd_ray.nets.all_rows import OfAllRows
from dfkd_ray.nets.sharing import ALONE


def trained(norm: nn.Module, x: Tensor, within: bool) -> list[Tensor]:
    """What comes out, the gradients, and what the layer remembers."""
    x = x.detach().clone().requires_grad_()
    if within:
        with OfAllRows(ALONE):
            out = norm(x)
    else:
        out = norm(x)
    (out.square() * torch.linspace(0, 1, out.numel()).view(out.shape)).sum().backward()
    grads = [x.grad, *(p.grad for p in norm.parameters())]
    return [out.detach(), *(g for g in grads if g is not None), *norm.state_dict().values()]


@pytest.mark.parametrize("momentum", [0.1, None])
@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_batch_norm_is_torchs(training: bool, affine: bool, momentum: float | None) -> None:
    found = []
    for within in (True, False):
        torch.manual_seed(0)
        norm = nn.BatchNorm2d(3, eps=0.8, momentum=momentum, affine=affine).double().train(training)
        x = torch.randn(4, 3, 5, 2, dtype=torch.float64) * 3 + 1
        found.append(trained(norm, x, within))
    for own, theirs in zip(*found, strict=True):
        torch.testing.assert_close(own, theirs, rtol=1e-10, atol=1e-12)


def test_batch_norm_of_half_precision_counts_in_single() -> None:
    x = (torch.randn(64, 2, 8, 8) + 300).to(torch.bfloat16)
    with OfAllRows(ALONE):
        out = F.batch_norm(x, None, None, training=True)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out, F.batch_norm(x.float(), None, None, training=True).to(torch.bfloat16))


@pytest.mark.parametrize("draw", [F.dropout, F.dropout2d])
def test_dropout_draws_what_torch_draws(draw: object) -> None:
    assert callable(draw)
    x, found = torch.randn(6, 4, 3, 3), []
    for within in (True, False):
        torch.manual_seed(1)
        if within:
            with OfAllRows(ALONE):
                found.append(draw(x, 0.4, True))
        else:
            found.append(draw(x, 0.4, True))
    torch.testing.assert_close(found[0], found[1])
    with OfAllRows(ALONE):
        assert torch.equal(draw(x, 0.4, False), x)
