from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.views.cutmix import CutMix

IMAGES = torch.randn(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_pixel_is_one_of_the_batch_at_its_place() -> None:
    assert (CutMix()(IMAGES, rng(3))[:, None] == IMAGES[None]).any(1).all()


def test_the_range_of_alpha() -> None:
    with pytest.raises(ValueError, match=r"^alpha must be > 0, got 0$"):
        CutMix(alpha=0)
