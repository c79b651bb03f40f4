from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.mixing import beta, box, cutmix, mixup, partners

X = torch.randn(5, 2, 16, 12, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.25, 1.0, 4.0])
def test_a_share_is_drawn_from_a_beta(alpha: float) -> None:
    numbers = rng()
    drawn = torch.tensor([beta(alpha, numbers) for _ in range(4000)], dtype=torch.float64)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert float(drawn.mean()) == pytest.approx(0.5, abs=0.03)
    assert float(drawn.var()) == pytest.approx(1 / (4 * (2 * alpha + 1)), rel=0.08)
    assert beta(alpha, rng(1)) == beta(alpha, rng(1)) != beta(alpha, rng(2))


def test_partners_are_the_batch_in_another_order() -> None:
    found = partners(X, rng())
    rows = [next(i for i in range(5) if torch.equal(row, X[i])) for row in found]
    assert sorted(rows) == [0, 1, 2, 3, 4]


def test_mixup_is_a_weighted_mean_with_the_partner() -> None:
    expected = 0.3 * X + 0.7 * partners(X, rng(2))
    assert torch.allclose(mixup(X, 0.3, rng(2)), expected, atol=1e-6)
    assert torch.equal(mixup(X, 1.0, rng(2)), X)


def test_cutmix_pastes_the_box_of_the_partner_in_its_place_and_nothing_else() -> None:
    for seed in range(20):
        top, bottom, left, right = box(16, 12, 0.6, rng(seed))
        numbers = rng(seed)
        box(16, 12, 0.6, numbers)
        partner, out = partners(X, numbers), cutmix(X, 0.6, rng(seed))
        inside = torch.zeros(16, 12, dtype=torch.bool)
        inside[top:bottom, left:right] = True
        assert torch.equal(out[..., inside], partner[..., inside])
        assert torch.equal(out[..., ~inside], X[..., ~inside])


def test_the_box_has_the_area_that_is_not_kept_and_ends_at_the_edges() -> None:
    boxes = torch.tensor([box(64, 64, 0.75, rng(seed)) for seed in range(300)])
    top, bottom, left, right = boxes.T
    assert boxes.min() == 0
    assert boxes.max() == 64
    assert int((bottom - top).max()) == int((right - left).max()) == 32, "sqrt(1 - 0.75) of the side"
    centred = (top > 0) & (bottom < 64) & (left > 0) & (right < 64)
    assert ((bottom - top)[centred] == 32).all()
    assert box(8, 8, 1.0, rng())[0] == box(8, 8, 1.0, rng())[1], "nothing is pasted"


def test_a_batch_of_one_stays() -> None:
    assert torch.equal(mixup(X[:1], 0.3, rng()), X[:1])
    assert torch.equal(cutmix(X[:1], 0.3, rng()), X[:1])
