"""Phrases for a diffusion model, and the policy that chooses among them."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.parts.sources.diffusion import Diffusion, LiveDiffusion
from dfkd_ray.parts.sources.prompts import LivePrompts, Prompts
from tests.nets.pipelines.stubs import CLASSES, pipeline
from tests.parts.sources.test_diffusion import SETTING
from tests.tiny import through_a_file

CPU = torch.device("cpu")
WORDS = ("a car", "a bird", "a tree")


def opened(classes: int = 2, **fields: Any) -> LivePrompts:
    return Prompts(**{"words": WORDS, **fields}).open(classes, CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_step_follows_the_gradient_of_reinforce() -> None:
    """theta <- theta + lr * sign, Adam's first step, of (r - b) (1[p] - p) + entropy * dH."""
    live = opened(lr=0.1, entropy=0.0, seldom=0.0)
    live.last = [1]
    live.learn(0, 1, 2.0)  # the first reward of a class is its mean: nothing to prefer
    assert live.theta.tolist() == [[0, 0, 0], [0, 0, 0]]
    assert live.means == [-2.0, 0.0]
    told = live.learn(0, 1, 0.5)
    assert told["reward"].item() == -0.5
    assert live.means[0] == pytest.approx(-1.25)
    row = live.theta[0].tolist()
    assert row[1] > 0 > max(row[0], row[2])
    assert live.theta[1].tolist() == [0, 0, 0], "a class has its own"
    assert told["prompt_entropy"].item() == pytest.approx(math.log(3))


def test_a_reward_is_measured_by_the_last_ones() -> None:
    """b <- b + (r - b) max(1 / n, baseline): the mean of 1, 2, 3, and from then on a moving one."""
    live = opened(seldom=0.0, baseline=0.3)
    live.last = [0]
    means = []
    for loss in (1, 2, 3, 10, 10):
        live.learn(0, 0, loss)
        means.append(-live.means[0])
    assert means == pytest.approx([1, 1.5, 2, 2 + 8 * 0.3, 4.4 + 5.6 * 0.3])


def test_a_term_that_begins_to_count_is_no_reason_to_prefer_a_phrase() -> None:
    live = opened(seldom=0.0, entropy=0.0)
    live.last = [0]
    for label in (0, 0, 1):
        live.learn(label, 0, 1.0, ["onehot"])
    before = live.theta.tolist()
    for label in (0, 1):
        live.learn(label, 0, -99.0, {"onehot": 1.0, "adversarial": -100.0})
    assert live.theta.tolist() == before == [[0, 0, 0], [0, 0, 0]]
    assert (live.terms, live.means, live.counts) == (["adversarial", "onehot"], [99.0, 99.0], [1, 1])
    live.learn(0, 0, -99.5, ["adversarial", "onehot"])
    assert live.theta[0, 0] > 0, "what pays more than that does"


def test_a_phrase_that_is_said_often_is_worth_less() -> None:
    live = opened(seldom=0.5, window=4)
    live.last = [0, 0, 0, 1]
    assert live.learn(0, 0, 1.0)["reward"].item() == pytest.approx(-1 - 0.5 * math.log(3 / 4))
    assert live.learn(1, 1, 1.0)["reward"].item() == pytest.approx(-1 - 0.5 * math.log(1 / 4))
    for _ in range(9):
        live.draw(0, rng())
    assert len(live.last) == 4


@pytest.mark.parametrize("learn", [True, False])
def test_it_finds_the_phrase_that_pays_and_the_control_does_not(learn: bool) -> None:
    live, draws = opened(learn=learn, seldom=0.0), rng()
    for turn in range(300):
        label = turn % 2
        phrase = live.draw(label, draws)
        live.learn(label, phrase, float(phrase != 1 + label))  # class 0 is painted by phrase 1, class 1 by phrase 2
    p = live.theta.detach().softmax(1)
    if learn:
        assert p[0, 1] > 0.8
        assert p[1, 2] > 0.8
    else:
        assert torch.equal(p, torch.full((2, 3), 1 / 3))


def test_it_goes_on_in_the_same_bits() -> None:
    first, second = opened(), opened()
    for turn in range(5):
        first.learn(turn % 2, first.draw(turn % 2, rng(turn)), float(turn), ["onehot"])
    second.load_state_dict(through_a_file(first.state_dict()))
    for live in (first, second):
        for turn in range(5):
            live.learn(turn % 2, live.draw(turn % 2, rng(turn)), turn / 2, ["onehot"])
    assert torch.equal(first.theta, second.theta)
    for name in ("terms", "means", "counts", "last"):
        assert getattr(first, name) == getattr(second, name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"words": ("a",)}, "words must be at least two different phrases"),
        ({"words": ("a", "a")}, "words must be at least two different phrases"),
        ({"lr": 0.0}, "lr must be > 0, got 0"),
        ({"baseline": 1.5}, r"baseline must be in \[0, 1\], got 1.5"),
        ({"window": 0}, "window must be > 0, got 0"),
        ({"entropy": -1.0}, "entropy must be >= 0, got -1"),
        ({"seldom": math.nan}, "seldom must be >= 0, got nan"),
    ],
)
def test_what_is_no_policy(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Prompts(**{"words": WORDS, **fields})


def test_a_diffusion_model_is_told_the_phrase_and_the_loss_the_class() -> None:
    spec = Diffusion(prompt="a photo of {name}", prompts=Prompts(words=WORDS), timesteps=5, at_once=2)
    live = LiveDiffusion(spec, pipeline(told=len(WORDS)), SETTING, CPU)
    told: list[int] = []
    predict = live.pipeline.predict

    def watched(z: Tensor, t: int, asked: Tensor, scale: float) -> Tensor:
        told.extend(asked.tolist())
        return predict(z, t, asked, scale)

    live.pipeline.predict = watched  # type: ignore[method-assign]
    labels: list[int] = []

    def image_loss(images: Tensor, asked: Tensor | None, /, *, only: str | None = None) -> Any:
        assert asked is not None
        labels.extend(asked.tolist())
        return images.square().mean(), {"total": images.square().mean().detach()}

    *guided, last = live.trajectory(CLASSES - 1, 2, 1, image_loss, rng())
    assert live.policy is not None
    (phrase,) = live.policy.last
    assert set(told) == {phrase}
    assert set(labels) == {CLASSES - 1}
    assert set(last) == {"reward", "prompt_entropy"}
    assert len(guided) == 4
    assert last["reward"].item() == pytest.approx(-live.seen(live.estimates[0].pictures).square().mean().item())
    assert len(list(live.trajectory(0, 2, 0, image_loss, rng()))) == 1, "without guidance too"
    again = LiveDiffusion(spec, pipeline(told=len(WORDS)), SETTING, CPU)
    again.load_state_dict(through_a_file(live.state_dict()))
    assert again.policy is not None
    assert torch.equal(again.policy.theta, live.policy.theta)
    with pytest.raises(ValueError, match=r"prompts take the place of \{name\} in prompt, which has none"):
        Diffusion(prompts=Prompts(words=WORDS))
