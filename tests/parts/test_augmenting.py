"""Views one after the other, on pictures."""

from __future__ import annotations

import torch

from dfkd_ray.nets.heads import ToData
from dfkd_ray.parts.augmenting import augment
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.parts.views.flip import Flip

IMAGES = torch.randn(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_chain_of_views_is_one_after_the_other() -> None:
    chain = (Flip(p=1), Crop(padding=1))
    as_they_are = ToData((0.0,) * 3, (1.0,) * 3)
    seen = augment(chain, IMAGES, rng(), as_they_are)
    assert torch.equal(seen, Crop(padding=1)(IMAGES.flip(3), skipped(rng(), 6)))
    assert augment((), IMAGES, rng(), as_they_are) is IMAGES


def test_a_crop_shows_the_black_border_that_the_teacher_learned_with() -> None:
    """Codes pad a picture in [0, 1] and normalise it then: (0 - mean) / std around (x - mean) / std."""
    mean, std = (0.5, 0.25, 0.1), (0.2, 0.3, 0.4)
    pictures = torch.rand(50, 3, 8, 10, generator=rng(3))
    as_data = torch.stack([(pictures[:, c] - mean[c]) / std[c] for c in range(3)], 1)
    seen = augment((Crop(padding=2),), as_data, rng(), ToData(mean, std))
    cut = Crop(padding=2)(pictures, rng())
    for c in range(3):
        assert torch.allclose(seen[:, c], (cut[:, c] - mean[c]) / std[c], atol=1e-6)
        assert torch.isclose(seen[:, c].amin((0, 1, 2)), torch.tensor(-mean[c] / std[c]), atol=1e-6)


def skipped(numbers: torch.Generator, count: int) -> torch.Generator:
    """The numbers after those that a flip of `count` images has drawn."""
    torch.rand(count, generator=numbers)
    return numbers
