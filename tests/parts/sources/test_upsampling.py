"""Feature maps of the images that a generator hands over."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.nets.conditioners import ConditionalBatchNorm
from dfkd_ray.parts.optimizers import SGD
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.average import Ema
from dfkd_ray.parts.sources.conditions import Norms
from dfkd_ray.parts.sources.upsampling import LiveUpsampling, Upsampling
from dfkd_ray.util.errors import ConfigError

IMAGE = (3, 16, 16)
SETTING = Setting(IMAGE, 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
STILL = SGD(lr=1e-12, momentum=0.0, weight_decay=0.0)  # the weights of all steps are the same
LOSSES = [3.0, 1.0, 2.0]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def opened(**fields: Any) -> LiveUpsampling:
    torch.manual_seed(0)
    spec = Upsampling(**{"latent": 8, "width": 4, "labels": "balanced", "optimizer": STILL, **fields})
    live = spec.open(SETTING, (), torch.device("cpu"))
    assert isinstance(live, LiveUpsampling)
    return live


def improved(live: LiveUpsampling) -> list[Tensor]:
    """The images of each step of a round."""
    images: list[Tensor] = []

    def image_loss(seen: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        images.append(seen.detach().clone())
        return seen.sum() - seen.detach().sum() + LOSSES[len(images) - 1], {}

    list(live.improve(4, len(LOSSES), image_loss, rng(), 0.0))
    return images


@pytest.mark.parametrize(("gives", "step"), [("best", 1), ("last", 2)])
@pytest.mark.parametrize("latent_lr", [None, 0.0, 1e-12])
def test_the_maps_of_a_round_are_those_of_the_images_that_it_gives(gives: Any, step: int, latent_lr: Any) -> None:
    live = opened(gives=gives, latent_lr=latent_lr)
    live.keep_maps()
    images = improved(live)
    maps, labels = live.sample_maps(4, rng(9))
    assert [tuple(each.shape) for each in maps] == [(4, 8, 4, 4), (4, 8, 8, 8), (4, 4, 16, 16)]
    assert not any(each.requires_grad for each in maps)
    given = live.sample(4, rng(9), training=True)
    assert torch.equal(given.images, images[step])
    assert labels is given.labels
    for depth, each in enumerate(maps):
        net: Any = live.net.train()
        torch.testing.assert_close(net.decode(each, depth), images[step], atol=1e-4, rtol=1e-4)


def test_a_source_that_gives_new_images_gives_their_maps() -> None:
    live = opened(gives="new")
    live.keep_maps()
    improved(live)
    maps, labels = live.sample_maps(4, rng(9))
    given = live.sample(4, rng(9), training=True)
    net: Any = live.net.train()
    torch.testing.assert_close(net.decode(maps[0], 0), given.images, atol=1e-4, rtol=1e-4)
    assert labels is not None
    assert given.labels is not None
    assert torch.equal(labels, given.labels)


def test_whoever_keeps_no_maps_gets_the_same_images() -> None:
    plain, keeping = opened(gives="best"), opened(gives="best")
    keeping.keep_maps()
    assert all(torch.equal(a, b) for a, b in zip(improved(plain), improved(keeping)))
    assert plain.maps == ()
    assert len(keeping.maps) == 3


def test_decoding_is_an_evaluation_and_changes_nothing() -> None:
    live = opened()
    live.keep_maps()
    improved(live)
    maps, labels = live.sample_maps(4, rng(9))
    before = {name: value.clone() for name, value in live.net.state_dict().items()}
    images = live.decode(maps[1], 1, labels)
    assert live.net.training
    assert all(torch.equal(value, before[name]) for name, value in live.net.state_dict().items())
    assert not images.requires_grad
    net: Any = live.net.eval()
    assert torch.equal(net.decode(maps[1], 1), images)


def test_a_conditional_generator_decodes_with_the_labels() -> None:
    live = opened(condition=Norms())
    for norm in (module for module in live.net.modules() if isinstance(module, ConditionalBatchNorm)):
        torch.nn.init.normal_(norm.shift.weight)  # at first all classes are alike
    maps, labels = live.sample_maps(4, rng())
    assert labels is not None
    images, others = (live.decode(maps[1], 1, asked) for asked in (labels, (labels + 1) % 5))
    assert images.shape == (4, *IMAGE)
    assert (images != others).flatten(1).any(1).all()


def test_an_average_has_no_maps() -> None:
    with pytest.raises(ConfigError, match="a source with ema gives images of two networks"):
        opened(ema=Ema()).keep_maps()


def test_ranges() -> None:
    with pytest.raises(ValueError, match="width must be at least 1, got 0"):
        Upsampling(width=0)
    with pytest.raises(ValueError, match="start_widths must be at least 1, got 0"):
        Upsampling(start_widths=0)
    with pytest.raises(ValueError, match="block_eps must be > 0, got 0"):
        Upsampling(block_eps=0.0)


def test_a_source_that_shrinks_keeps_no_maps() -> None:
    live = opened(shrink=2, doublings=1)
    assert live.sample(4, rng(), training=True).images.shape == (4, *IMAGE)
    with pytest.raises(ConfigError, match="a source that shrinks gives images that were enlarged"):
        live.keep_maps()
