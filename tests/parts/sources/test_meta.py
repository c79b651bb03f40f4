"""The meta-generator's two steps, by hand, and what of it outlives a round."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.meta import LiveMeta, Meta
from dfkd_ray.parts.sources.upsampling import Upsampling
from tests.tiny import overflowing

IMAGE = (3, 16, 16)
SETTING = Setting(IMAGE, 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")
ROUNDS = [[(1.0, 2.0), (0.5, -1.0), (2.0, 0.5)], [(1.5, 0.0), (1.0, 1.0), (0.25, 3.0)]]  # (a, b): loss (a w - b)^2


class Scalar:
    """An owner whose network is one number w, with what the loss learns, c, beside it."""

    def __init__(self, momentum: float = 0.0) -> None:
        self.momentum = momentum
        self.net: nn.Module = nn.Linear(1, 1, bias=False, dtype=torch.float64)
        nn.init.constant_(self.net.weight, 1.0)  # type: ignore[arg-type]
        self.learned = nn.Parameter(torch.ones((), dtype=torch.float64))
        self.optimizer = self.new_optimizer()

    def new_optimizer(self) -> torch.optim.Optimizer:
        return torch.optim.SGD([*self.net.parameters(), self.learned], lr=0.1, momentum=self.momentum)

    def renew(self, rng: torch.Generator) -> None:
        raise AssertionError

    @property
    def weight(self) -> float:
        return self.net.weight.item()  # type: ignore[operator, union-attr]

    def step(self, lifecycle: LiveMeta, loss: Tensor) -> None:
        self.optimizer.zero_grad()
        loss.backward()
        lifecycle.stepped(self)
        self.optimizer.step()

    def live_through(self, lifecycle: LiveMeta, losses: list[tuple[float, float]], factor: float = 1.0) -> float:
        """A round; returns the weight of the clone at its end."""
        lifecycle.begin(self, torch.Generator(), factor)
        for a, b in losses:
            x = torch.tensor([[a]], dtype=torch.float64)
            self.step(lifecycle, (self.net(x) - b).square().sum() + self.learned.square() / 2)
        clone = self.weight
        lifecycle.end(self)
        return clone


def by_hand(rule: str, lr: float | None, momentum: float, factor: float, by: float = 67) -> list[tuple[float, float]]:
    """(theta, the clone's last weight) after each round; the clone's momentum starts anew, theta's does not.

    by: 67, what the code for CIFAR multiplies Reptile's difference with.
    """
    theta, speed, out = 1.0, 0.0, []
    for losses in ROUNDS:
        clone, speed_of_clone, gradients = theta, 0.0, 0.0
        for a, b in losses:
            gradient = 2 * a * (a * clone - b)
            gradients += gradient
            speed_of_clone = momentum * speed_of_clone + gradient
            clone -= 0.1 * speed_of_clone
        speed = momentum * speed + (gradients if rule == "fomaml" else by * (theta - clone))
        theta -= factor * (lr or 0.1 * len(losses)) * speed
        out.append((theta, clone))
    return out


@pytest.mark.parametrize("rule", ["fomaml", "reptile"])
@pytest.mark.parametrize("lr", [None, 0.03])
@pytest.mark.parametrize("momentum", [0.0, 0.9])
@pytest.mark.parametrize("factor", [1.0, 0.5])
def test_two_rounds_by_hand(rule: Any, lr: float | None, momentum: float, factor: float) -> None:
    live = Scalar(momentum)
    lifecycle = Meta(rule=rule, lr=lr).open(live)
    theta, lasting = live.net, live.optimizer
    for losses, (expected, last) in zip(ROUNDS, by_hand(rule, lr, momentum, factor)):
        assert live.live_through(lifecycle, losses, factor) == pytest.approx(last)
        assert live.weight == pytest.approx(expected)
        assert live.net is theta
        assert live.optimizer is lasting


def test_the_factor_of_reptile_is_that_of_imagenet_too() -> None:
    live = Scalar()
    lifecycle = Meta(rule="reptile", factor=1.0, lr=0.03).open(live)
    for losses, (expected, _) in zip(ROUNDS, by_hand("reptile", 0.03, 0.0, 1.0, by=1)):
        live.live_through(lifecycle, losses)
        assert live.weight == pytest.approx(expected)


def test_what_the_loss_learns_takes_the_steps_of_the_round_and_no_other() -> None:
    live = Scalar()
    live.live_through(Meta().open(live), ROUNDS[0])
    assert live.learned.item() == pytest.approx(0.9**3)
    assert live.net.weight.grad is None  # type: ignore[union-attr]


def test_a_round_without_a_gradient_moves_nothing() -> None:
    for rule in ("fomaml", "reptile"):
        live = Scalar(momentum=0.9)
        lifecycle = Meta(rule=rule).open(live)  # type: ignore[arg-type]
        live.live_through(lifecycle, ROUNDS[0])
        before = live.weight
        live.live_through(lifecycle, [])
        assert live.weight == before


def generator(setting: Setting = SETTING, **fields: Any) -> Any:
    torch.manual_seed(0)
    spec = Upsampling(latent=6, width=4, latent_lr=0.01, gives="best", output="sigmoid", lifecycle=Meta(**fields))
    return spec.open(setting, (), CPU)


def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    value = (images - 0.5).square().mean()
    return value, {"total": value.detach()}


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_the_generator_is_thetas_between_rounds_and_its_statistics_are_the_clones() -> None:
    live = generator()
    theta, before = live.net, [p.detach().clone() for p in live.net.parameters()]
    within = [live.net for _ in live.improve(4, 3, image_loss, rng(), 0.0)]
    assert len({id(net) for net in within}) == 1
    assert within[0] is not theta
    assert live.net is theta
    assert all(not torch.equal(p, old) for p, old in zip(theta.parameters(), before))
    assert theta.norm.num_batches_tracked == 3
    assert torch.equal(theta.norm.running_mean, within[0].norm.running_mean)
    assert all(p.grad is None for p in theta.parameters())
    assert set(live.state_dict()["net"]) == set(theta.state_dict())


def test_a_meta_generator_gets_better_at_what_it_starts_from() -> None:
    for rule in ("fomaml", "reptile"):
        live = generator(rule=rule)
        before = [values["total"].item() for values in live.improve(8, 4, image_loss, rng(0), 0.0)]
        for seed in range(1, 12):
            after = [values["total"].item() for values in live.improve(8, 4, image_loss, rng(seed), 0.0)]
        assert after[0] < 0.8 * before[0], rule


def test_the_first_layers_are_reset_once() -> None:
    live = generator(reset_after=2)
    for number in range(4):
        start: dict[str, Tensor] = {}
        before = {name: p.detach().clone() for name, p in live.net.named_parameters()}
        for _ in live.improve(4, 1, image_loss, rng(number), 0.0):
            start = start or {name: p.detach().clone() for name, p in live.lifecycle.net.named_parameters()}
        changed = {name for name in before if not torch.equal(before[name], start[name])}
        first = {"project.weight", "project.bias", "norm.weight", "norm.bias"}
        assert changed == (first if number == 2 else set())
        if number == 2:
            assert start["project.weight"].std().item() == pytest.approx(0.02, rel=0.1)
            assert start["norm.weight"].abs().max() < 0.1
            assert start["project.bias"].abs().max() == start["norm.bias"].abs().max() == 0


@pytest.mark.parametrize("rule", ["fomaml", "reptile"])
def test_a_run_goes_on_in_the_same_bits(rule: str) -> None:
    first, second = generator(rule=rule, reset_after=2), generator(rule=rule, reset_after=2)
    list(first.improve(4, 3, image_loss, rng(0), 0.0))
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.renew(rng(9))
    second.load_state_dict(torch.load(file, weights_only=True))
    for live in (first, second):
        for seed in (1, 2, 3):
            list(live.improve(4, 3, image_loss, rng(seed), 0.5))
    for sample in (True, False):
        images = [live.sample(4, rng(5), training=sample).images for live in (first, second)]
        assert torch.equal(*images)
    for one, other in zip(first.net.parameters(), second.net.parameters()):
        assert torch.equal(one, other)


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="rule must be one of fomaml, reptile, got 'maml'"):
        Meta(rule="maml")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="factor must be > 0, got 0"):
        Meta(factor=0.0)
    with pytest.raises(ValueError, match="lr must be > 0, got 0"):
        Meta(lr=0.0)
    with pytest.raises(ValueError, match="reset_after must be at least 0 rounds, got -1"):
        Meta(reset_after=-1)


def test_theta_hears_nothing_of_a_step_that_overflows() -> None:
    """Two rounds with the same gradient, of which one has a step more that overflows."""
    ends, half = [], replace(SETTING, precision="float16")
    for broken_at in (None, 1):
        live, steps = generator(half), iter(range(9))

        def image_loss_of(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
            more = overflowing(images) if next(steps) == broken_at else 0.0  # noqa: B023
            return (images - 0.5).square().mean() + more, {}

        list(live.improve(4, 2 if broken_at is None else 3, image_loss_of, rng(), 0.0))
        assert live.skipped == (broken_at is not None)
        ends.append([p.detach() for p in live.net.parameters()])
    assert all(torch.allclose(one, other, rtol=1e-5, atol=1e-6) for one, other in zip(*ends))
