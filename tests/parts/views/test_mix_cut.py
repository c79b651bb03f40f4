from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.views.cutmix import CutMix
from dfkd_ray.parts.views.mix_cut import MixCut
from dfkd_ray.parts.views.mixup import MixUp

IMAGES = torch.randn(6, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_coin_decides_between_the_two_mixtures() -> None:
    def heads(seed: int) -> bool:
        return bool(torch.rand((), generator=rng(seed)) < 0.5)

    seen = {heads(seed) for seed in range(12)}
    assert seen == {True, False}
    for seed in range(12):
        numbers = rng(seed)
        torch.rand((), generator=numbers)
        expected = (MixUp() if heads(seed) else CutMix())(IMAGES, numbers)
        assert torch.equal(MixCut()(IMAGES, rng(seed)), expected)


def test_the_ranges_are_those_of_the_two() -> None:
    with pytest.raises(ValueError, match=r"^alpha must be > 0, got 0$"):
        MixCut(cutmix=0)
    with pytest.raises(ValueError, match=r"^alpha must be > 0, got 0$"):
        MixCut(mixup=0)
