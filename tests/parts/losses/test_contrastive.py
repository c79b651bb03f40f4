"""CMI's contrast: the formula, pair by pair, what is cut out of an image, and what the bank keeps."""

from __future__ import annotations

import io
import math
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from dfkd_ray.parts.losses.contrastive import Contrastive, LiveContrastive, zoomed
from dfkd_ray.parts.signals import Layout, Setting, Signals, layout
from dfkd_ray.util.errors import ConfigError
from tests.tiny import CLASSES, IMAGE, Toy, toy

SMALL = {"dim": 6, "bank": 10, "negatives": 7}


class World:
    """A teacher, and a contrast of its features: 8 + 16 of its BatchNorm layers' inputs, as many of its stages."""

    def __init__(self, **fields: Any) -> None:
        self.teacher = toy(1).eval().requires_grad_(False)
        shape = layout(self.teacher, IMAGE)
        setting = Setting(IMAGE, CLASSES, (0.5,) * 3, (0.5,) * 3, shape, shape)
        torch.manual_seed(0)
        self.live = Contrastive(**{**SMALL, **fields}).open(setting)

    def images(self, count: int, seed: int = 0) -> Tensor:
        return torch.randn(count, *IMAGE, generator=torch.Generator().manual_seed(seed))

    def value(self, images: Tensor, seed: int = 5) -> Tensor:
        torch.manual_seed(seed)
        return self.live(Signals(images, None, self.teacher, self.teacher))

    def round(self, count: int, seed: int) -> None:
        """One step on so many images, and its end."""
        self.value(self.images(count, seed))
        self.live.settle()


def features(net: Toy, images: Tensor, where: str) -> Tensor:
    """(B, 24): of the two convolutions, or of the two stages."""
    first = net.first[0](images)
    outputs = net.first[2](net.first[1](first))
    second = net.second[0](outputs)
    maps = (first, second) if where == "norms" else (outputs, net.second[2](net.second[1](second)))
    return torch.cat([x.flatten(2).mean(2) for x in maps], 1)


def oracle(local: list[list[float]], whole: list[list[float]], new: int, temperature: float) -> float:
    """The formula, image by image, with cosines from sums."""

    def similar(a: list[float], b: list[float]) -> float:
        dot = sum(x * y for x, y in zip(a, b))
        return dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    losses = []
    for i, anchor in enumerate(local):
        scores = [math.exp(similar(anchor, other) / temperature) for other in whole]
        losses.append(-math.log(scores[i] / sum(scores)))
    past = losses[new:]
    return sum(losses[:new]) / new + (sum(past) / len(past) if past else 0.0)


@pytest.mark.parametrize("where", ["norms", "stages"])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize("rounds", [0, 1, 3])
def test_it_is_the_formula_over_new_and_past_images(where: Any, temperature: float, rounds: int) -> None:
    world = World(where=where, temperature=temperature)
    for number in range(rounds):
        world.round(4, number + 1)
    images = world.images(5)
    value = world.value(images)

    torch.manual_seed(5)
    crops = zoomed(images)
    chosen = torch.randperm(len(world.live.bank))[:7]
    past = world.live.bank[chosen].float()
    local = torch.cat([features(world.teacher, crops, where), past[:, :24]])
    whole = torch.cat([features(world.teacher, images, where), past[:, 24:]])
    project = world.live.project
    assert len(past) == (0, 4, 7)[min(rounds, 2)]
    expected = oracle(project(local).tolist(), project(whole).tolist(), 5, temperature)
    assert value.item() == pytest.approx(expected, rel=1e-4)


def test_the_images_change_through_their_local_views_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    images = world.images(5).requires_grad_()
    world.value(images).backward()
    assert images.grad is not None
    assert images.grad.abs().amax((1, 2, 3)).min() > 0
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in world.live.parameters())
    monkeypatch.setattr("dfkd_ray.parts.losses.contrastive.zoomed", lambda x: zoomed(x.detach()))
    images.grad = None
    world.value(images).backward()
    assert images.grad is None or not images.grad.any()


def test_the_bank_gets_the_last_batch_of_each_round_and_drops_the_oldest() -> None:
    world = World()
    world.value(world.images(4, seed=1))
    assert len(world.live.bank) == 0
    seen = []
    for seed in (2, 3, 4):
        world.value(world.images(4, seed=9))
        world.round(4, seed)
        seen.append(features(world.teacher, world.images(4, seed), "norms"))
    assert world.live.bank.shape == (10, 48)
    whole = torch.cat(seen)[-10:]
    assert torch.allclose(world.live.bank[:, 24:].float(), whole, atol=1e-3)
    assert not torch.allclose(world.live.bank[:, :24].float(), whole, atol=1e-2), "the local ones are others"
    world.live.settle()  # of a round in which the term was not asked: nothing changes
    assert torch.allclose(world.live.bank[:, 24:].float(), whole, atol=1e-3)


@pytest.mark.parametrize("precision", [torch.bfloat16, None])
def test_a_round_under_autocast_and_a_batch_larger_than_the_bank(precision: torch.dtype | None) -> None:
    world = World(bank=3)
    with torch.autocast("cpu", dtype=precision, enabled=precision is not None):
        for seed in (1, 2):
            assert world.value(world.images(5, seed)).isfinite()
            world.live.settle()
    expected = features(world.teacher, world.images(5, 2)[-3:], "norms")
    assert world.live.bank.dtype == torch.float16
    assert torch.allclose(world.live.bank[:, 24:].float(), expected, atol=2e-2)


def test_the_negatives_are_drawn_anew_in_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(negatives=2)
    world.round(8, 1)
    monkeypatch.setattr("dfkd_ray.parts.losses.contrastive.zoomed", lambda x: x.flip(3))
    images = world.images(1)
    assert len({world.value(images, seed).item() for seed in range(4)}) > 1


def test_the_bank_survives_a_state_dict_at_any_length() -> None:
    first, second = World(), World()
    first.round(4, 1)
    for count, seed in ((3, 2), (8, 3)):
        second.round(count, seed)
        file = io.BytesIO()
        torch.save(first.live.state_dict(), file)
        file.seek(0)
        second.live.load_state_dict(torch.load(file, weights_only=True))
        assert torch.equal(first.live.bank, second.live.bank)
        images = first.images(3)
        assert torch.equal(first.value(images), second.value(images))
        first.round(8, 4)


def test_a_teacher_without_batchnorm_is_asked_for_its_stages() -> None:
    bare = Layout(((4, 8, 8), (6, 4, 4)), 6)
    setting = Setting(IMAGE, CLASSES, (0.5,) * 3, (0.5,) * 3, bare, bare)
    with pytest.raises(ConfigError, match="where: the teacher has no BatchNorm layer: take its stages, with where: st"):
        Contrastive().open(setting)
    live = Contrastive(where="stages").open(setting)
    assert isinstance(live, LiveContrastive)
    assert live.bank.shape == (0, 20)


def sampled(images: Tensor, seed: int) -> Tensor:
    """The same crops with torch's own sampler of grids."""
    torch.manual_seed(seed)
    area, ratio, top, left, mirrored = torch.rand(5, len(images)).double()
    area, ratio = 0.25 + 0.75 * area, torch.exp(math.log(4 / 3) * (2 * ratio - 1))
    tall, wide = (area / ratio).sqrt().clamp(max=1), (area * ratio).sqrt().clamp(max=1)
    down, right = 2 * top * (1 - tall) - (1 - tall), 2 * left * (1 - wide) - (1 - wide)  # centres in [-1, 1]
    turn, none = torch.where(mirrored < 0.5, -1.0, 1.0), torch.zeros_like(tall)
    theta = torch.stack([torch.stack([turn * wide, none, right], 1), torch.stack([none, tall, down], 1)], 1)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images.double(), grid, padding_mode="border", align_corners=False)


@pytest.mark.parametrize("shape", [(3, 16, 16), (1, 8, 12)])
def test_a_local_view_is_a_resized_crop(shape: tuple[int, int, int]) -> None:
    images = torch.randn(40, *shape, dtype=torch.float64)
    expected = sampled(images, 3)
    torch.manual_seed(3)
    views = zoomed(images.float())
    assert views.shape == images.shape
    assert torch.allclose(views.double(), expected, atol=1e-4)


def test_crops_differ_and_keep_a_quarter_at_least() -> None:
    ramp = torch.arange(16.0).view(1, 1, 1, 16).expand(400, 1, 16, 16)
    torch.manual_seed(0)
    views = zoomed(ramp)
    spans = (views[:, 0, 8, -1] - views[:, 0, 8, 0]) / 15
    sides = spans.abs()
    assert 0.4 < sides.min() < 0.5, "sqrt(1/4 * 3/4) is the narrowest side"
    assert sides.max() > 0.97
    assert 0.4 < (spans < 0).float().mean() < 0.6
    assert torch.allclose(views[:, :, :1], views[:, :, -1:], atol=1e-4), "no rotation"


def test_impossible_values() -> None:
    for name in ("temperature", "dim", "bank", "negatives"):
        with pytest.raises(ValueError, match=f"{name} must be > 0, got 0"):
            Contrastive(**{name: 0})
    with pytest.raises(ValueError, match="where must be one of norms, stages, got 'embedding'"):
        Contrastive(where="embedding")  # type: ignore[arg-type]
