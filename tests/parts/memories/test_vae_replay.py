from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from dfkd_ray.parts.memories.vae_replay import VaeReplay
from tests.parts.memories.toy_sources import CPU, IMAGE, SETTING, Counting, opened, rng, scoring

SMALL = VaeReplay(latent=6, width=4)


def copies(tensors: Any) -> list[Tensor]:
    return [tensor.detach().clone() for tensor in tensors]


def stepped(before: Tensor, gradient: Tensor, lr: float) -> Tensor:
    """The first step of Adam."""
    return before - lr * gradient / (gradient.abs() + 1e-8)


def test_what_the_step_on_z_lowers() -> None:
    live = opened(SMALL)
    z = torch.randn(7, 6)
    live.nets.eval()
    with torch.no_grad():
        predictions = live.teacher(live.nets["decoder"](z)).softmax(1).double()
    sure = -sum(math.log(max(row)) for row in predictions.tolist()) / 7
    balance = sum(p * math.log(p) / math.log(10) for p in predictions.mean(0).tolist())
    means = [sum(column) / 7 for column in z.T.tolist()]
    variances = [sum((x - m) ** 2 for x in column) / 6 for column, m in zip(z.T.tolist(), means)]
    normal = sum((v - 1) ** 2 for v in variances) / 6 + sum(m**2 for m in means) / 6
    assert live.unlikely(z).item() == pytest.approx(sure + 5 * balance + normal, rel=1e-5)


def test_a_z_alone_has_no_variance_and_is_drawn_all_the_same() -> None:
    live = opened(SMALL)
    assert live.unlikely(torch.randn(1, 6)).isfinite()
    assert live.replay(1, rng(), training=False).isfinite().all()


@pytest.mark.parametrize("training", [False, True])
def test_a_replay_is_decoded_from_z_after_one_step(training: bool) -> None:
    live, other = opened(SMALL), opened(SMALL)
    other.nets.train(training)
    z = torch.randn(5, 6, generator=rng(3)).requires_grad_()
    (gradient,) = torch.autograd.grad(other.unlikely(z), z)
    expected = other.nets["decoder"](stepped(z.detach(), gradient, SMALL.latent_lr))
    before = copies(live.nets.parameters())
    buffers = copies(live.nets["decoder"].buffers())
    images = live.replay(5, rng(3), training)
    torch.testing.assert_close(images, expected.detach(), atol=1e-5, rtol=1e-4)
    assert all(torch.equal(a, b) for a, b in zip(before, live.nets.parameters()))
    assert all(p.grad is None and p.requires_grad for p in live.nets.parameters())
    still = all(torch.equal(a, b) for a, b in zip(buffers, live.nets["decoder"].buffers()))
    assert still is not training


def test_the_loss_of_the_autoencoder() -> None:
    """Its first step is that of Adam on the loss written out here."""
    spec = VaeReplay(latent=6, width=4, kl=0.3)
    live, other = opened(spec), opened(spec)
    images = torch.randn(5, *IMAGE, generator=rng(1))
    mean, log_var = other.nets["encoder"](images)
    deviation = log_var.exp().sqrt()
    again = other.nets["decoder"](mean + deviation * torch.randn(5, 6, generator=rng(2)))
    pixels = (again - images).abs().mean()
    logits = (other.teacher(again) - other.teacher(images)).abs().mean()
    divergence = kl_divergence(Normal(mean, deviation), Normal(0.0, 1.0)).sum() / 5
    parameters = list(other.nets.parameters())
    gradients = torch.autograd.grad(pixels + logits + 0.3 * divergence, parameters, allow_unused=True)
    live.learn(images, rng(2))
    for after, before, gradient in zip(live.nets.parameters(), parameters, gradients):
        assert gradient is not None
        large = gradient.abs() > 1e-5  # below it, the sign is a matter of rounding
        expected = stepped(before.detach(), gradient, spec.lr)
        torch.testing.assert_close(after[large], expected[large], atol=1e-6, rtol=0)


def test_it_learns_to_draw_what_it_is_shown() -> None:
    live = opened(VaeReplay(latent=6, width=4, lr=0.01, kl=0.1))
    pattern = torch.randn(1, 3, 2, 2, generator=rng(5)).repeat_interleave(4, 2).repeat_interleave(4, 3)
    images = (pattern - pattern.mean((2, 3), keepdim=True)) / pattern.std((2, 3), keepdim=True)
    images = images.expand(8, -1, -1, -1).contiguous()
    for step in range(60):
        live.learn(images, rng(step))
    drawn = live.replay(8, rng(), training=False)
    chance = (torch.randn(images.shape, generator=rng(6)) - images).abs().mean()
    assert (drawn - images).abs().mean() < 0.5 * chance


class Told(Counting):
    """A source that knows how many images it was asked for."""

    asked = 0

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Any:
        self.asked += batch
        return super().sample(batch, rng, training)


@pytest.mark.parametrize(("batch", "old"), [(16, 2), (1024, 128), (4, 1)])
def test_a_batch_is_new_images_and_then_an_eighth_replayed(batch: int, old: int) -> None:
    source, live = Told(), opened(VaeReplay(latent=6, width=1, steps=0))
    live.refill(source, batch, rng())
    images, labels = live.draw(source, batch, rng())
    assert source.asked == batch
    assert images.shape == (batch + old, *IMAGE)
    assert torch.equal(images[:batch], torch.ones(batch, *IMAGE))
    assert torch.equal(images[batch:], opened(VaeReplay(latent=6, width=1)).replay(old, rng(), training=False))
    assert labels is None


def test_it_learns_in_the_first_steps_of_each_round_on_half_of_the_new_images_and_on_its_own() -> None:
    source, live = Counting(), opened(SMALL)
    seen: list[tuple[int, int]] = []
    live.learn = lambda images, rng: seen.append(
        (len(images), int((images == images[0, 0, 0, 0]).all((1, 2, 3)).sum()))
    )
    for _ in range(3):
        live.refill(source, 16, rng())
        for _ in range(6):
            live.draw(source, 16, rng())
    assert seen == [(8, 8)] * 4 + [(10, 8)] * 8, "in the first round there is nothing to replay yet"


def test_its_size_does_not_grow() -> None:
    def size(state: Any) -> int:
        if isinstance(state, Tensor):
            return state.numel()
        return sum(size(each) for each in state.values()) if isinstance(state, dict) else 1

    source, live, sizes = Counting(), opened(SMALL), []
    for _ in range(4):
        live.refill(source, 8, rng())
        live.draw(source, 8, rng())
        sizes.append(size(live.state_dict()))
    assert len(set(sizes)) == 1


def test_ranges() -> None:
    for name in ("share", "lr", "latent_lr"):
        with pytest.raises(ValueError, match=f"{name} must be > 0, got 0"):
            VaeReplay(**{name: 0})
    for name in ("latent", "width"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, got 0"):
            VaeReplay(**{name: 0})
    for name in ("steps", "kl", "balance"):
        with pytest.raises(ValueError, match=f"{name} must be at least 0, got -1"):
            VaeReplay(**{name: -1})


def test_images_whose_sides_it_cannot_halve_three_times() -> None:
    with pytest.raises(ValueError, match="multiples of 8, got 12; nearest: 8 or 16"):
        SMALL.open(replace(SETTING, image=(3, 12, 12)), scoring(), CPU)


def test_each_of_its_two_losses_has_a_scale_and_counts_what_overflows() -> None:
    live = SMALL.open(replace(SETTING, precision="float16"), scoring(), CPU)
    before = copies(live.nets.parameters())
    for parameter in live.nets["encoder"].parameters():
        parameter.register_hook(lambda gradient: gradient * math.inf)
    live.learn(torch.randn(4, *IMAGE), rng())
    live.replay(3, rng(), training=True)
    assert all(map(torch.equal, live.nets.parameters(), before))
    assert [scaler.skipped for scaler in live.scalers.values()] == [1, 0]
    again = SMALL.open(replace(SETTING, precision="float16"), scoring(), CPU)
    again.load_state_dict(live.state_dict())
    assert (again.skipped, again.scalers["autoencoder"].get_scale(), again.scalers["z"].get_scale()) == (
        1,
        2**15,
        2**16,
    )
