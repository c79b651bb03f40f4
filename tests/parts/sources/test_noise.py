from __future__ import annotations

import pytest
import torch

from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.noise import Noise


def test_noise_is_standard_normal_and_learns_nothing() -> None:
    setting = Setting((3, 16, 16), 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
    live = Noise().open(setting, (), torch.device("cpu"))
    images = live.sample(200, torch.Generator().manual_seed(0), training=True).images
    assert images.mean().item() == pytest.approx(0, abs=0.01)
    assert images.std().item() == pytest.approx(1, abs=0.01)
    assert live.state_dict() == {}
