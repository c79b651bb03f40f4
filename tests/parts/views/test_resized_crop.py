from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.views.resized_crop import ResizedCrop


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_resized_crop_of_everything_is_the_image_and_another_a_part_of_it() -> None:
    ramp = torch.arange(10.0).expand(1, 1, 8, 10).contiguous()
    parts = [ResizedCrop(least=0.2)(ramp, rng(seed)) for seed in range(40)]
    for part in parts:
        steps = part[0, 0, 0].diff()[1:-1]
        assert torch.allclose(part[0, 0], part[0, 0, :1].expand(8, 10), atol=1e-4), "rows are alike"
        assert ((steps > 0) & (steps <= 1 + 1e-4)).all(), "enlarged, never reduced"
        assert part.min() >= 0
        assert part.max() <= 9
    widths = [float(part[0, 0, 0, 4] - part[0, 0, 0, 3]) for part in parts]
    assert min(widths) < 0.6 < 0.8 < max(widths)
    whole = [ResizedCrop(least=1.0)(ramp, rng(seed)) for seed in range(40)]
    assert max(float(part[0, 0, 0, 4] - part[0, 0, 0, 3]) for part in whole) == pytest.approx(1.0, abs=1e-4)
    with pytest.raises(ValueError, match=r"^least is a share of the area in \(0, 1\], got 0$"):
        ResizedCrop(least=0)
