from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.views.jitter import Jitter

IMAGES = torch.randn(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_jitter_rolls_all_images_alike() -> None:
    shifts = set()
    for seed in range(60):
        seen = Jitter(pixels=1)(IMAGES, rng(seed))
        shifts.add(
            next((y, x) for y in (-1, 0, 1) for x in (-1, 0, 1) if torch.equal(seen, IMAGES.roll((y, x), (2, 3))))
        )
    assert len(shifts) == 9


def test_the_range_of_the_pixels() -> None:
    with pytest.raises(ValueError, match="pixels must be at least 1, got 0"):
        Jitter(pixels=0)
