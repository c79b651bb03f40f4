"""What every generator has in common, on the smallest network there is: images are W z."""

from __future__ import annotations

import io
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.optimizers import SGD, Constant, Step
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.slots import Batch
from dfkd_ray.parts.sources.lifecycles import Renew
from dfkd_ray.parts.sources.trained import LiveTrained, Trained
from dfkd_ray.util.errors import ConfigError
from tests.tiny import overflowing

IMAGE, LATENT, CLASSES = (1, 1, 2), 3, 4
SETTING = Setting(IMAGE, CLASSES, (0.5,), (0.5,), Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")
PLAIN = SGD(lr=0.1, momentum=0.0, weight_decay=0.0)


class Line(nn.Module):
    """W z; remembers what it was called with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(2, LATENT))
        self.latents: list[Tensor] = []
        self.labels: list[Tensor | None] = []

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        self.latents.append(z.detach().clone())
        self.labels.append(labels)
        return (z @ self.weight.T).view(-1, *IMAGE)


@dataclass(frozen=True, kw_only=True)
class Lines(Trained):
    def build(self, setting: Setting) -> nn.Module:
        return Line()


def opened(also: tuple[nn.Parameter, ...] = (), seed: int = 0, **fields: Any) -> LiveTrained:
    torch.manual_seed(seed)
    return Lines(**{"latent": LATENT, "optimizer": PLAIN, **fields}).open(SETTING, also, CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def squares(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    value = images.square().sum() / 2
    return value, {"total": value.detach()}


def line(live: LiveTrained) -> Line:
    assert isinstance(live.net, Line)
    return live.net


def improved(live: LiveTrained, steps: int, batch: int = 5, image_loss: Any = squares, progress: float = 0.0) -> None:
    list(live.improve(batch, steps, image_loss, rng(), progress))


@pytest.mark.parametrize("schedule", [Constant(), Step(at=(0.5,), factor=0.1)])
def test_a_latent_is_learned_at_its_own_rate(schedule: Any) -> None:
    """dL/dz = x W and dL/dW = x' z with L = |x|^2 / 2, by hand."""
    live = opened(latent_lr=0.02, lr_schedule=schedule)
    factor = schedule(0.5)
    weight = line(live).weight.detach().clone()
    improved(live, 3, progress=0.5)
    z = line(live).latents[0]
    assert torch.equal(z, torch.randn(5, LATENT, generator=rng()))
    for seen in line(live).latents:
        assert torch.allclose(seen, z, atol=1e-6)
        x = z @ weight.T
        z, weight = z - 0.02 * factor * x @ weight, weight - 0.1 * factor * x.T @ z
    assert torch.allclose(line(live).weight, weight, atol=1e-6)


def test_without_a_rate_each_step_has_new_noise() -> None:
    live = opened(labels="uniform")
    improved(live, 4)
    latents, labels = line(live).latents, line(live).labels
    assert not any(torch.equal(a, b) for a, b in pairwise(latents))
    assert len({tuple(each.tolist()) for each in labels if each is not None}) > 1


def test_a_latent_with_a_rate_of_0_stays_for_the_round() -> None:
    live = opened(latent_lr=0)
    improved(live, 3)
    first, *others = line(live).latents
    assert all(torch.equal(first, other) for other in others)


@pytest.mark.parametrize("latent_lr", [0, 0.01])
def test_a_latent_that_stays_keeps_its_labels_for_the_round(latent_lr: float) -> None:
    live = opened(latent_lr=latent_lr, labels="uniform")
    improved(live, 4, batch=12)
    first, *others = line(live).labels
    assert first is not None
    assert all(first is other for other in others)
    improved(live, 1, batch=12)
    assert line(live).labels[-1] is not first


@pytest.mark.parametrize("labels", ["none", "uniform", "balanced"])
def test_the_labels_go_to_the_network_the_judge_and_the_memory(labels: Any) -> None:
    judged: list[Tensor | None] = []

    def image_loss(images: Tensor, asked: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        judged.append(asked)
        return squares(images, asked)

    live = opened(labels=labels)
    improved(live, 2, batch=3 * CLASSES, image_loss=image_loss)
    batch = live.sample(3 * CLASSES, rng(), training=True)
    assert all(a is b for a, b in zip(judged, line(live).labels))
    for asked in (*judged, batch.labels):
        assert (asked is None) is (labels == "none")
        if asked is not None:
            assert asked.shape == (3 * CLASSES,)
            assert set(asked.tolist()) <= set(range(CLASSES))
            assert (asked.bincount(minlength=CLASSES).tolist() == [3] * CLASSES) or labels == "uniform"


class Listed:
    """A judge whose losses are told."""

    def __init__(self, *losses: float) -> None:
        self.losses, self.images = iter(losses), list[Tensor]()

    def __call__(self, images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        self.images.append(images.detach().clone())
        return images.sum() - images.detach().sum() + next(self.losses), {}


@pytest.mark.parametrize(("gives", "step"), [("last", 3), ("best", 1)])
@pytest.mark.parametrize("latent_lr", [None, 0.1])
def test_what_the_memory_gets_of_a_round(gives: Any, step: int, latent_lr: float | None) -> None:
    live, image_loss = opened(gives=gives, latent_lr=latent_lr, labels="balanced"), Listed(2.0, 0.5, 1.0, 3.0)
    improved(live, 4, image_loss=image_loss)
    given = live.sample(5, rng(7), training=True)
    assert torch.equal(given.images, image_loss.images[step])
    assert given.labels is not None
    assert torch.equal(given.labels, line(live).labels[step])  # type: ignore[arg-type]
    assert not torch.equal(given.images, live.sample(5, rng(7), training=False).images), "an evaluation has new ones"


def test_a_new_sample_is_of_the_network_after_its_steps() -> None:
    live = opened()
    improved(live, 2)
    z = torch.randn(5, LATENT, generator=rng(7))
    expected = (z @ line(live).weight.T).view(5, *IMAGE)
    assert torch.allclose(live.sample(5, rng(7), training=True).images, expected)


def test_before_the_first_round_every_source_gives_new_samples() -> None:
    live = opened(gives="best")
    z = torch.randn(5, LATENT, generator=rng(7))
    assert torch.allclose(live.sample(5, rng(7), training=True).images.flatten(1), z @ line(live).weight.T)


@pytest.mark.parametrize("clip", [None, 0.01])
def test_clip_bounds_the_step_of_the_network_and_not_that_of_the_latent(clip: float | None) -> None:
    learned = nn.Parameter(torch.zeros(()))

    def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        return 100 * squares(images, labels)[0] + learned, {}

    live = opened((learned,), clip=clip, latent_lr=0.1)
    before = line(live).weight.detach().clone()
    improved(live, 2, image_loss=image_loss)
    first, second = line(live).latents
    assert (second - first).norm() > 10
    improved(live := opened((learned,), clip=clip), 1, image_loss=image_loss)
    moved = torch.cat([(line(live).weight.detach() - before).flatten(), learned.detach().view(1)]).norm().item()
    assert (moved < 0.1 * 0.01 * 4) is (clip is not None)


def test_clip_is_a_norm_over_all_that_is_trained() -> None:
    learned = nn.Parameter(torch.zeros(()))

    def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        return squares(images, labels)[0] + 3 * learned, {}

    live = opened((learned,), clip=0.5)
    weight = line(live).weight.detach().clone()
    improved(live, 1, image_loss=image_loss)
    z = line(live).latents[0]
    gradient = torch.cat([((z @ weight.T).T @ z).flatten(), torch.tensor([3.0])])
    expected = -0.1 * 0.5 * gradient / gradient.norm()
    moved = torch.cat([(line(live).weight.detach() - weight).flatten(), learned.detach().view(1)])
    assert torch.allclose(moved, expected, atol=1e-5)


def test_what_was_kept_survives_a_file() -> None:
    spec = {"gives": "best", "latent_lr": 0.1, "labels": "uniform", "lifecycle": Renew()}
    first, second = opened(**spec), opened(seed=1, **spec)
    improved(first, 3)
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    a, b = (live.sample(5, rng(), training=True) for live in (first, second))
    assert isinstance(b, Batch)
    assert torch.equal(a.images, b.images)
    assert a.labels is not None
    assert b.labels is not None
    assert torch.equal(a.labels, b.labels)


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="clip must be > 0, got 0"):
        Lines(clip=0)
    with pytest.raises(ValueError, match="latent_lr must be >= 0, got -1"):
        Lines(latent_lr=-1)
    with pytest.raises(ValueError, match="latent must be at least 1, got 0"):
        Lines(latent=0)


def test_what_overflows_in_the_network_alone_moves_no_latent_either() -> None:
    live = Lines(latent=LATENT, latent_lr=0.1, optimizer=PLAIN).open(replace(SETTING, precision="float16"), (), CPU)
    before = line(live).weight.detach().clone()

    def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        value, values = squares(images, labels)
        return value + overflowing(line(live).weight), values

    improved(live, 2, image_loss=image_loss)
    assert torch.equal(line(live).weight, before)
    assert torch.equal(*line(live).latents)
    assert live.skipped == 2
    improved(live, 2)
    assert not torch.equal(line(live).weight, before)
    assert not torch.equal(*line(live).latents[2:])


def test_a_scale_outlives_the_optimisers_of_a_round() -> None:
    live = Lines(latent=LATENT, lifecycle=Renew()).open(replace(SETTING, precision="float16"), (), CPU)
    for _ in range(2):
        improved(live, 3)
    assert live.scaler.state_dict()["_growth_tracker"] == 6


class Small(nn.Module):
    """z as an image of 2x2 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, z: Tensor, labels: Tensor | None) -> Tensor:
        return self.weight * z[:, :4].view(-1, 1, 2, 2)


@dataclass(frozen=True, kw_only=True)
class Smalls(Trained):
    def build(self, setting: Setting) -> nn.Module:
        assert self.image(setting) == (1, 2, 2)
        return Small()


def shrunk(**fields: Any) -> LiveTrained:
    setting = replace(SETTING, image=(1, 4, 4))
    return Smalls(**{"latent": 4, "optimizer": PLAIN, "shrink": 2, **fields}).open(setting, (), CPU)


@pytest.mark.parametrize("gives", ["new", "last"])
def test_images_that_are_smaller_are_judged_so_and_handed_over_enlarged(gives: Any) -> None:
    live, seen = shrunk(gives=gives), []

    def judge(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        seen.append(images.detach())
        return squares(images, labels)

    list(live.improve(3, 2, judge, rng(), 0.0))
    assert [tuple(each.shape) for each in seen] == [(3, 1, 2, 2)] * 2
    batch = live.sample(3, rng(1), training=True)
    assert batch.images.shape == (3, 1, 4, 4)
    small = seen[-1] if gives == "last" else live.net(torch.randn(3, 4, generator=rng(1)), None).detach()
    corners = batch.images[
        :, :, ::3, ::3
    ]  # bilinear from the centres of pixels: the corners are those of the small one
    assert torch.allclose(corners, small)
    assert live.sample(2, rng(1), training=False).images.shape == (2, 1, 4, 4)


def test_the_loss_sees_several_resolutions_in_turn() -> None:
    live, seen = shrunk(scales=(1, 2), latent_lr=0.0), []

    def judge(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        seen.append(images.detach())
        return (images * 0).sum(), {}

    list(live.improve(3, 4, judge, rng(), 0.0))
    assert [each.shape[-1] for each in seen] == [1, 2, 1, 2], "the last step has the first of them"
    assert torch.allclose(seen[0][:, 0, 0, 0], seen[1].mean((1, 2, 3)))
    list(live.improve(3, 1, judge, rng(), 0.0))
    assert seen[-1].shape[-1] == 2


@pytest.mark.parametrize(("losses", "best"), [([3], 0), ([-9, 2, -9, 1], 3), ([2, -9, 1, -9, 3], 2)])
def test_the_best_images_are_chosen_among_those_of_the_first_resolution(losses: list[float], best: int) -> None:
    live, seen = shrunk(scales=(1, 2), gives="best"), []

    def judge(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        seen.append(images.detach())
        return (images * 0).sum() + losses[len(seen) - 1], {}

    list(live.improve(3, len(losses), judge, rng(), 0.0))
    assert live.kept is not None
    assert torch.equal(live.kept.images, seen[best])


def test_a_resolution_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="shrink must be at least 1, got 0"):
        Lines(shrink=0)
    for scales in ((), (1, 0)):
        with pytest.raises(ValueError, match="scales must be whole numbers from 1 on"):
            Lines(scales=scales)
    odd = replace(SETTING, image=(1, 6, 9))
    with pytest.raises(ConfigError, match="shrink: 2 does not divide the sides of an image, 6x9"):
        Lines(shrink=2).image(odd)
    with pytest.raises(ConfigError, match="scales: 4 leaves nothing of 2 pixels"):
        Lines(shrink=3, scales=(1, 4)).image(odd)
