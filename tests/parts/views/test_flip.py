from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.views.flip import Flip

IMAGES = torch.randn(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_flip() -> None:
    assert torch.equal(Flip(p=0)(IMAGES, rng()), IMAGES)
    assert torch.equal(Flip(p=1)(IMAGES, rng()), IMAGES.flip(-1))
    many = torch.arange(2.0).expand(4000, 1, 1, 2)
    share = (Flip(p=0.25)(many, rng())[:, 0, 0, 0] == 1).float().mean().item()
    assert share == pytest.approx(0.25, abs=0.04)


def test_the_range_of_p() -> None:
    with pytest.raises(ValueError, match=r"p is a probability, got 1\.5"):
        Flip(p=1.5)
