"""Inverting pixels: where they start, how they move, and what is handed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.optimizers import SGD, Cosine
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.pixels import LivePixels, Pixels

IMAGE = (3, 8, 8)
MEAN, STD = (0.5, 0.25, 0.0), (0.5, 0.25, 0.2)
SETTING = Setting(IMAGE, 5, MEAN, STD, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")


def opened(also: tuple[nn.Parameter, ...] = (), **fields: Any) -> LivePixels:
    return Pixels(**fields).open(SETTING, also, CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class Watch:
    """A judge that takes losses from a list and remembers the images that it saw; their gradient is 1."""

    def __init__(self, *losses: float) -> None:
        self.losses: Iterator[float] = iter(losses)
        self.images: list[Tensor] = []
        self.labels: list[Tensor | None] = []

    def __call__(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        self.images.append(images.detach().clone())
        self.labels.append(labels)
        return images.sum() - images.detach().sum() + next(self.losses), {}


def test_a_round_starts_from_new_noise_of_unit_variance() -> None:
    live, watch = opened(), Watch(*[0.0] * 4)
    numbers = rng()
    list(live.improve(200, 2, watch, numbers, 0.0))
    list(live.improve(200, 2, watch, numbers, 0.5))
    first, _, second, _ = watch.images
    assert first.mean().item() == pytest.approx(0, abs=0.02)
    assert first.std().item() == pytest.approx(1, abs=0.02)
    assert (first * second).mean().abs().item() < 0.02, "independent"
    assert watch.labels[0] is watch.labels[1]
    assert watch.labels[0] is not watch.labels[2]


def test_the_rate_follows_its_schedule_over_the_steps_of_a_round() -> None:
    spec = {"optimizer": SGD(lr=0.5, momentum=0.0, weight_decay=0.0), "lr_schedule": Cosine()}
    live, watch = opened(**spec), Watch(*[0.0] * 8)
    for progress in (0.0, 0.9):  # of the run, which does not matter
        list(live.improve(2, 4, watch, rng(), progress))
    moved = [(before - after).mean().item() for before, after in zip(watch.images, watch.images[1:])]
    expected = [0.5, 0.5 * 0.8535534, 0.25]  # cosine at 0, 1/4, 1/2
    assert moved[:3] == pytest.approx(expected, rel=1e-5)
    assert moved[4:] == pytest.approx(expected, rel=1e-5)
    assert live.sample(2, rng(), training=True).images.mean().item() == pytest.approx(
        watch.images[-1].mean().item() - 0.5 * 0.1464466, rel=1e-4
    )


@pytest.mark.parametrize(("gives", "step"), [("best", 1), ("last", 4)])
def test_the_best_images_are_those_of_their_step_and_the_last_those_after_all(gives: Any, step: int) -> None:
    optimizer = SGD(lr=0.1, momentum=0.0, weight_decay=0.0)
    live, watch = opened(gives=gives, optimizer=optimizer), Watch(3.0, 1.0, 2.0, 1.0, 4.0)
    list(live.improve(2, 5, watch, rng(), 0.0))
    given = live.sample(2, rng(), training=True).images
    expected = watch.images[step] - (0.1 if gives == "last" else 0.0)
    assert torch.allclose(given, expected)
    assert not given.requires_grad


def test_clamped_images_are_those_that_data_could_be() -> None:
    low, high = [-1.0, -1.0, 0.0], [1.0, 3.0, 5.0]  # of 0 and 1, normalised

    def push(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        return -images.square().sum(), {}

    for clamp in (True, False):
        live = opened(clamp=clamp)
        list(live.improve(16, 200, push, rng(), 0.0))
        images = live.sample(16, rng(), training=True).images
        within = [images.amin((0, 2, 3)).tolist(), images.amax((0, 2, 3)).tolist()]
        assert (within == [pytest.approx(low), pytest.approx(high)]) is clamp
        assert (images.abs().max() > 8) is not clamp


def test_what_the_loss_learns_is_trained_along_and_starts_its_moments_anew() -> None:
    weight = nn.Parameter(torch.ones(()))

    def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        return images.square().mean() + weight * slope, {}

    live, slope = opened(also=(weight,)), 1.0
    list(live.improve(2, 3, image_loss, rng(), 0.0))
    assert weight.item() == pytest.approx(1 - 3 * 0.05, abs=1e-4), "Adam's first steps are its rate"
    slope = -1e-3
    list(live.improve(2, 1, image_loss, rng(), 0.0))
    assert weight.item() == pytest.approx(1 - 2 * 0.05, abs=1e-3), "no momentum of the round before"


@pytest.mark.parametrize("labels", ["none", "uniform", "balanced"])
def test_an_evaluation_sees_the_last_round_over_again(labels: Any) -> None:
    live = opened(labels=labels)
    before = live.sample(4, rng(), training=False)
    list(live.improve(3, 2, Watch(0.0, 0.0), rng(), 0.0))
    kept = live.sample(4, rng(1), training=True)
    shown = live.sample(7, rng(2), training=False)
    assert len(kept.images) == 3
    assert torch.equal(shown.images, kept.images[[0, 1, 2, 0, 1, 2, 0]])
    assert not torch.equal(before.images[:3], kept.images)
    for batch in (before, kept, shown):
        assert (batch.labels is None) is (labels == "none")
    if shown.labels is not None and kept.labels is not None:
        assert torch.equal(shown.labels, kept.labels[[0, 1, 2, 0, 1, 2, 0]])
    list(live.improve(3, 0, Watch(), rng(), 0.0))
    assert torch.equal(live.sample(3, rng(), training=True).images, kept.images), "no steps, no new round"
