from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.optimizers import Cosine
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.generator import Attention, Generator

IMAGE = (3, 16, 16)
SETTING = Setting(IMAGE, 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")
SMALL = Generator(latent=8, width=4)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    return images.square().mean(), {}


def test_the_generator_trains_the_parameters_of_its_loss_and_follows_its_schedule() -> None:
    weight = nn.Parameter(torch.ones(()))
    live = SMALL.open(SETTING, (weight,), CPU)
    list(live.improve(4, 1, lambda images, labels: (images.mean() + weight.square(), {}), rng(), 0.0))
    assert weight.item() < 1
    assert live.optimizer.param_groups[0]["lr"] == Generator().optimizer.lr
    live = replace(SMALL, lr_schedule=Cosine()).open(SETTING, (), CPU)
    list(live.improve(4, 1, image_loss, rng(), 0.5))
    assert live.optimizer.param_groups[0]["lr"] == pytest.approx(Generator().optimizer.lr / 2)


@pytest.mark.parametrize("output", ["tanh", "normalised", "batchnorm"])
def test_the_range_of_the_generators_images(output: Any) -> None:
    torch.manual_seed(0)
    setting = Setting(IMAGE, 5, (0.5, 0.25, 0.0), (0.5, 0.25, 0.2), Layout((), 6), Layout((), 6))
    live = replace(SMALL, output=output).open(setting, (), CPU)
    live.net.to_image.weight.data.normal_(0, 200)
    images = live.sample(64, rng(), training=True).images
    low, high = images.amin((0, 2, 3)), images.amax((0, 2, 3))
    if output == "tanh":
        assert [low.min().item(), high.max().item()] == pytest.approx([-1, 1], abs=0.01)
    elif output == "normalised":
        assert low.tolist() == pytest.approx([-1, -1, 0], abs=0.01)
        assert high.tolist() == pytest.approx([1, 3, 5], abs=0.02)
    else:
        assert images.mean((0, 2, 3)).tolist() == pytest.approx([0] * 3, abs=1e-4)
        assert images.var((0, 2, 3)).tolist() == pytest.approx([1] * 3, abs=1e-2)


def test_ranges() -> None:
    for name in ("latent", "width"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            Generator(**{name: 0})
    with pytest.raises(ValueError, match="reduction must be at least 1, got 0"):
        Attention(reduction=0)
