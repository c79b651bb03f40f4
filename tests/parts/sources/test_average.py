"""The moving average of a generator, and its share of the images."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.average import Ema
from dfkd_ray.parts.sources.forget import Forget
from dfkd_ray.parts.sources.generator import Generator
from dfkd_ray.parts.sources.lifecycles import Renew
from dfkd_ray.parts.sources.noisy_layer import NoisyLayer
from dfkd_ray.parts.sources.upsampling import Upsampling
from tests.tiny import through_a_file

SETTING = Setting((3, 16, 16), 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    return (images - 0.5).square().mean(), {}


def opened(ema: Ema | None, kind: Any = Upsampling, **fields: Any) -> Any:
    torch.manual_seed(0)
    return kind(latent=8, width=4, ema=ema, **fields).open(SETTING, (), CPU)


def weights(net: nn.Module) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in net.named_parameters()}


@pytest.mark.parametrize("kind", [Upsampling, Generator])
def test_it_follows_once_a_round(kind: Any) -> None:
    live = opened(Ema(decay=0.75), kind)
    expected = weights(live.net)
    for _ in range(3):
        list(live.improve(4, 2, image_loss, rng(), 0.0))
        expected = {name: 0.75 * expected[name] + 0.25 * p for name, p in weights(live.net).items()}
    found = weights(live.average.net)
    assert list(found) == list(expected)
    for name in expected:
        torch.testing.assert_close(found[name], expected[name])
    assert not any(p.requires_grad for p in live.average.net.parameters())
    assert any(not torch.equal(found[name], p) for name, p in weights(live.net).items())


def test_a_round_without_steps_moves_nothing() -> None:
    live = opened(Ema())
    before = weights(live.average.net)
    list(live.improve(4, 0, image_loss, rng(), 0.0))
    assert all(torch.equal(p, before[name]) for name, p in weights(live.average.net).items())


@pytest.mark.parametrize(
    ("share", "batch", "slow"), [(0.5, 8, 4), (0.25, 8, 2), (0.01, 8, 1), (0.99, 8, 7), (0.5, 2, 1)]
)
def test_its_images_are_that_share_of_what_the_source_gives(share: float, batch: int, slow: int) -> None:
    live = opened(Ema(share=share), labels="uniform")
    asked: list[tuple[Any, Any, bool]] = []
    for net in (live.net, live.average.net):
        net.register_forward_pre_hook(lambda module, args: asked.append((module, args, module.training)))
    for training in (True, False):
        asked.clear()
        images, labels = live.sample(batch, rng(), training)
        assert [(module, mode) for module, _, mode in asked] == [(live.net, training), (live.average.net, training)]
        (_, own, _), (_, old, _) = asked
        assert [len(part) for part in (*own, *old)] == [batch - slow] * 2 + [slow] * 2
        assert torch.equal(labels, torch.cat([own[1], old[1]]))
        assert len(images) == batch


def test_the_average_stands_where_it_says() -> None:
    live = opened(Ema(share=0.25), labels="balanced")
    for p in live.average.net.parameters():
        p.zero_()
    live.average.net.to_image.bias.fill_(20.0)  # tanh is 1 then, and BatchNorm takes all of it away
    images = live.sample(8, rng(), training=True).images
    assert images[6:].abs().max() < 1e-3
    assert images[:6].abs().amax((1, 2, 3)).min() > 0.05


def test_it_goes_with_layers_in_the_place_of_noise() -> None:
    live = opened(Ema(), NoisyLayer, gives="new", dim=4, latent_lr=None)
    list(live.improve(8, 1, image_loss, rng(), 0.0))
    images, labels = live.sample(8, rng(), training=True)
    assert (len(images), len(labels)) == (8, 8)


def test_without_one_nothing_is_there() -> None:
    live = opened(None)
    assert live.average is None
    assert "average" not in live.state_dict()


def test_it_survives_a_checkpoint() -> None:
    first, second = opened(Ema(decay=0.5)), opened(Ema(decay=0.5))
    list(first.improve(4, 2, image_loss, rng(), 0.0))
    first.sample(4, rng(1), training=True)
    second.load_state_dict(through_a_file(first.state_dict()))
    for live in (first, second):
        list(live.improve(4, 2, image_loss, rng(2), 0.0))
    for training in (True, False):
        assert torch.equal(*(live.sample(4, rng(3), training).images for live in (first, second)))


def test_what_it_does_not_go_with() -> None:
    message = "ema is the average of one network's weights: it needs a lifecycle keep and gives new"
    for fields in ({"lifecycle": Renew()}, {"gives": "best"}):
        with pytest.raises(ValueError, match=message):
            Upsampling(ema=Ema(), **fields)
    assert Upsampling(ema=Ema(), lifecycle=Forget()).ema == Ema(0.95, 0.5)
    for decay in (-0.1, 1.0):
        with pytest.raises(ValueError, match=rf"decay must be in \[0, 1\), got {decay}"):
            Ema(decay=decay)
    for share in (0.0, 1.0):
        with pytest.raises(ValueError, match=f"share must be between 0 and 1, got {share}"):
            Ema(share=share)
