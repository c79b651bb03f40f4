from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dfkd_ray.parts.views.crop import Crop

IMAGES = torch.randn(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def crops(image: Tensor, padding: int) -> list[Tensor]:
    """Every image that a crop may show."""
    c, h, w = image.shape
    wide = torch.zeros(c, h + 2 * padding, w + 2 * padding)
    wide[:, padding : padding + h, padding : padding + w] = image
    return [wide[:, y : y + h, x : x + w] for y in range(2 * padding + 1) for x in range(2 * padding + 1)]


def test_crop_cuts_each_image_at_a_place_of_its_own() -> None:
    image = IMAGES[0]
    seen = Crop(padding=2)(image.expand(200, -1, -1, -1), rng())
    places = [next(i for i, each in enumerate(crops(image, 2)) if torch.equal(each, shown)) for shown in seen]
    assert set(places) == set(range(25))


def test_the_range_of_the_padding() -> None:
    with pytest.raises(ValueError, match="padding must be at least 1 pixel, got 0"):
        Crop(padding=0)
