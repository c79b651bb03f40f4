from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.views.mixup import MixUp

IMAGES = torch.randn(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_each_image_is_once_itself_and_once_a_partner() -> None:
    assert torch.allclose(MixUp()(IMAGES, rng()).mean(0), IMAGES.mean(0), atol=1e-5)


def test_the_range_of_alpha() -> None:
    with pytest.raises(ValueError, match=r"^alpha must be > 0, got 0$"):
        MixUp(alpha=0)
