"""How long a generator lives, and what outlives it."""

from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.optimizers import Adam
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.lifecycles import Keep, Renew, fresh
from dfkd_ray.parts.sources.trained import LiveTrained
from dfkd_ray.parts.sources.upsampling import Upsampling

SETTING = Setting((3, 16, 16), 5, (0.5,) * 3, (0.5,) * 3, Layout((), 6), Layout((), 6))
CPU = torch.device("cpu")
RATE = 1e-3


def opened(lifecycle: Any, also: tuple[nn.Parameter, ...] = (), seed: int = 0) -> LiveTrained:
    torch.manual_seed(seed)
    spec = Upsampling(latent=6, width=4, lifecycle=lifecycle, optimizer=Adam(lr=RATE))
    return spec.open(SETTING, also, CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def image_loss(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
    value = (images - 0.5).square().mean()
    return value, {"total": value.detach()}


def weights(live: LiveTrained) -> Tensor:
    return torch.cat([p.detach().flatten() for p in live.net.parameters()])


def rounds(live: LiveTrained, count: int, numbers: torch.Generator, steps: int = 2) -> list[bool]:
    """Whether each round brought a new network and a new optimiser; both change together."""
    new = []
    for _ in range(count):
        net, optimizer = live.net, live.optimizer
        list(live.improve(4, steps, image_loss, numbers, 0.0))
        assert (live.net is net) is (live.optimizer is optimizer)
        new.append(live.net is not net)
    return new


def test_a_kept_network_learns_on() -> None:
    live, numbers = opened(Keep()), rng()
    before = weights(live)
    assert rounds(live, 3, numbers) == [False] * 3
    assert live.optimizer.state[next(live.net.parameters())]["step"] == 6
    moved = (weights(live) - before).abs().max().item()
    assert 0 < moved < 6.1 * RATE


@pytest.mark.parametrize(("every", "expected"), [(1, "01111"), (2, "00101"), (3, "00010"), (9, "00000")])
def test_a_network_is_renewed_at_the_beginning_of_every_so_many_rounds(every: int, expected: str) -> None:
    live = opened(Renew(every))
    assert rounds(live, 5, rng()) == [each == "1" for each in expected]
    since = 5 - max(expected.rfind("1"), 0)
    assert live.optimizer.state[next(live.net.parameters())]["step"] == 2 * since


def test_a_round_without_steps_is_none() -> None:
    live = opened(Renew())
    assert rounds(live, 3, rng(), steps=0) == [False] * 3
    assert rounds(live, 2, rng()) == [False, True]


def test_new_weights_are_far_from_the_old_and_like_those_of_a_birth() -> None:
    live = opened(Renew())
    born = weights(live)
    rounds(live, 2, rng(), steps=1)
    assert (weights(live) - born).abs().max() > 20 * RATE
    assert weights(live).std().item() == pytest.approx(born.std().item(), rel=0.1)
    assert all(p.requires_grad for p in live.net.parameters())


def test_the_numbers_that_are_handed_in_decide_the_new_weights_alone() -> None:
    ends = []
    for own, handed in ((1, 0), (2, 0), (1, 3)):
        live, numbers = opened(Renew()), rng(handed)
        torch.manual_seed(own)
        live.renew(numbers)
        following = torch.rand(1)
        torch.manual_seed(own)
        assert torch.equal(following, torch.rand(1)), "torch's own generator is where it was"
        ends.append(weights(live))
    assert torch.equal(ends[0], ends[1])
    assert not torch.equal(ends[0], ends[2])


def test_what_the_loss_learns_outlives_the_network_and_its_moments_do_not() -> None:
    weight = nn.Parameter(torch.ones(()))
    slopes = iter([1.0] * 3 + [-1e-3] * 3)

    def tilted(images: Tensor, labels: Tensor | None) -> tuple[Tensor, dict[str, Tensor]]:
        return image_loss(images, labels)[0] + weight * next(slopes), {}

    live = opened(Renew(), (weight,))
    for expected in (1 - 3 * RATE, 1.0):
        list(live.improve(4, 3, tilted, rng(), 0.0))
        assert weight.item() == pytest.approx(expected, abs=1e-5), "Adam's first steps are its rate"
        assert live.optimizer.state[weight]["step"] == 3
    assert sum(p is weight for group in live.optimizer.param_groups for p in group["params"]) == 1


@pytest.mark.parametrize("done", [1, 2, 3])
def test_a_resumed_run_renews_in_the_same_round_to_the_same_weights(done: int) -> None:
    weight, other = (nn.Parameter(torch.ones(())) for _ in range(2))
    first, second = opened(Renew(2), (weight,)), opened(Renew(2), (other,), seed=9)
    rounds(first, done, rng())
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert rounds(first, 3, rng(5)) == rounds(second, 3, rng(5))
    assert torch.equal(weights(first), weights(second))


def test_fresh_is_what_is_built_from_the_numbers_handed_in() -> None:
    made = [fresh(lambda: nn.Linear(4, 4), rng(seed)) for seed in (0, 0, 1)]
    one, again, other = (net.weight for net in made)  # type: ignore[union-attr]
    assert torch.equal(one, again)  # type: ignore[arg-type]
    assert not torch.equal(one, other)  # type: ignore[arg-type]


def test_impossible_values() -> None:
    with pytest.raises(ValueError, match="every must be at least 1 round, got 0"):
        Renew(every=0)
