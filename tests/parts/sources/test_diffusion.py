from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.nets.pipelines.pipeline import TextToImage
from dfkd_ray.parts.losses.batchnorm import BatchNorm
from dfkd_ray.parts.losses.onehot import OneHot
from dfkd_ray.parts.signals import Layout, Setting, Signals
from dfkd_ray.parts.sources.diffusion import Diffusion, LiveDiffusion
from dfkd_ray.parts.sources.latents import LatentCutMix
from dfkd_ray.parts.total_loss import TotalLoss, Weighted
from dfkd_ray.util.errors import ConfigError
from tests.nets.pipelines.stubs import CLASSES, LATENT, pipeline
from tests.tiny import overflowing, toy

CPU = torch.device("cpu")
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
SETTING = Setting((3, 16, 16), CLASSES, MEAN, STD, Layout((), 6, (8, 16)), Layout((), 6))
PLAIN: dict[str, Any] = {"timesteps": 10, "at_once": 4, "augment": None}
CUTMIX = LatentCutMix()


def opened(setting: Setting = SETTING, over: TextToImage | None = None, **fields: Any) -> LiveDiffusion:
    return LiveDiffusion(Diffusion(**{**PLAIN, **fields}), over or pipeline(), setting, CPU)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


class ImageLoss:
    """Class prior and BatchNorm prior of a teacher; remembers what it was asked."""

    def __init__(self, **weights: float) -> None:
        terms = {"onehot": OneHot(), "batchnorm": BatchNorm()}
        parts = {name: Weighted(weight, terms[name]) for name, weight in weights.items()}
        self.loss = TotalLoss(parts).open(SETTING)
        self.teacher = toy(3).eval().requires_grad_(False)
        self.asked: list[tuple[int, tuple[int, ...], str | None]] = []

    def __call__(self, images: Tensor, labels: Tensor | None, *, only: str | None = None) -> Any:
        assert labels is not None
        self.asked.append((len(images), tuple(labels.tolist()), only))
        return self.loss(Signals(images, labels, self.teacher, self.teacher), only)


def finals(
    live: LiveDiffusion, image_loss: Any, steps: int = 1, label: int = 2, size: int = 4, seed: int = 0
) -> Tensor:
    list(live.trajectory(label, size, steps, image_loss, rng(seed)))
    return live.estimates[0].pictures


@pytest.mark.parametrize("weights", [{"onehot": 1.0}, {"batchnorm": 0.1}, {"onehot": 1.0, "batchnorm": 0.1}])
def test_the_gradient_of_the_guidance_is_that_of_finite_differences(weights: dict[str, float]) -> None:
    """Through decoder and network: in the released code it is cut before both."""
    live, image_loss = opened(), ImageLoss(**weights)
    live.asked = torch.full((4,), 2)
    z = torch.randn(4, *LATENT, generator=rng(3))
    t = live.pipeline.times(10)[4]

    def loss(at: Tensor) -> float:
        predicted = live.pipeline.predict(at, t, live.asked, 3.0)
        share = live.pipeline.scheduler.alphas_cumprod[t]
        z0 = (at - (1 - share).sqrt() * predicted) / share.sqrt()
        pictures = (torch.tanh(live.pipeline.decoder.conv(z0 / 0.5)) / 2 + 0.5).clamp(0, 1)
        seen = (pictures - torch.tensor(MEAN)[:, None, None]) / torch.tensor(STD)[:, None, None]
        return float(4 * image_loss(seen, live.asked)[0])

    moved, _, _ = live._guided(z, t, image_loss)
    gradient = z - moved
    assert gradient.abs().sum() > 0
    for seed in range(5):
        direction = torch.randn(z.shape, generator=rng(seed))
        direction /= direction.norm()
        slope = (loss(z + 0.02 * direction) - loss(z - 0.02 * direction)) / 0.04
        assert float((gradient * direction).sum()) == pytest.approx(slope, rel=0.03, abs=2e-3)


def test_a_latent_is_guided_alike_in_a_batch_of_any_size() -> None:
    live, image_loss = opened(), ImageLoss(onehot=1.0)
    z = torch.randn(4, *LATENT, generator=rng(3))
    live.asked = torch.full((4,), 2)
    together, _, _ = live._guided(z, 500, image_loss)
    live.asked = torch.full((1,), 2)
    alone = torch.cat([live._guided(one[None], 500, image_loss)[0] for one in z])
    assert torch.allclose(together, alone, atol=1e-5)


def test_each_timestep_but_the_last_is_guided_and_then_taken_back() -> None:
    live, image_loss = opened(), ImageLoss(onehot=1.0)
    losses = list(live.trajectory(2, 4, 1, image_loss, rng()))
    assert len(losses) == 9
    assert image_loss.asked == [(4, (2, 2, 2, 2), None)] * 9
    times = live.pipeline.times(10)
    expected = [(8, t, gradient) for t in times[:-1] for gradient in (True, False)] + [(8, times[-1], False)]
    assert live.pipeline.net.calls == expected
    assert len(list(live.trajectory(2, 4, 3, image_loss, rng()))) == 27, "updates in each timestep"


def test_guidance_lowers_its_loss_and_none_leaves_the_painting_alone() -> None:
    live, image_loss = opened(lr=300.0), ImageLoss(onehot=1.0)
    guided, plain = finals(live, image_loss), finals(live, ImageLoss(), steps=0)
    seen = [image_loss(live.seen(pictures), torch.full((4,), 2))[0].item() for pictures in (guided, plain)]
    assert seen[0] < 0.9 * seen[1]
    for painted in (plain, finals(live, ImageLoss())):
        assert torch.equal(painted, plain), "a loss without terms moves nothing"


def test_nothing_but_the_painting_is_computed_without_guidance() -> None:
    live, image_loss = opened(kept=1), ImageLoss(onehot=1.0)
    finals(live, image_loss, steps=0)
    assert image_loss.asked == []
    assert live.pipeline.decoder.calls == [4], "the finished images"
    assert all(not gradient for _, _, gradient in live.pipeline.net.calls)
    assert len(live.pipeline.net.calls) == 10


@pytest.mark.parametrize("steps", [0, 1])
@pytest.mark.parametrize(
    ("timesteps", "kept", "expected"),
    [(10, 5, [10, 2, 4, 6, 8]), (7, 3, [7, 2, 4]), (10, 1, [10]), (4, 4, [4, 1, 2, 3])],
)
def test_so_many_estimates_are_kept(timesteps: int, kept: int, expected: list[int], steps: int) -> None:
    live = opened(timesteps=timesteps, kept=kept, parts=1)
    finals(live, ImageLoss(onehot=1.0), steps)
    assert [estimate.timestep for estimate in live.estimates] == expected
    assert all(estimate.pictures.shape == (4, 3, 16, 16) for estimate in live.estimates)
    losses = [set(estimate.losses) for estimate in live.estimates]
    assert losses == [set()] + [{"onehot", "total"} if steps else set()] * (kept - 1)


def test_latents_are_augmented_after_the_update_and_before_the_step_back() -> None:
    order: list[str] = []

    class Marked:
        def __call__(self, z: Tensor, numbers: torch.Generator) -> Tensor:
            order.append("augment")
            return torch.full_like(z, 0.25)

    live, image_loss = opened(timesteps=12, parts=4), ImageLoss(onehot=1.0)
    live.spec = replace(live.spec, augment=Marked())  # type: ignore[arg-type]
    inner, seen = live.pipeline.net.forward, []

    def forward(z: Tensor, t: Tensor, **told: Tensor) -> Any:
        order.append("guide" if torch.is_grad_enabled() else "back")
        seen.append(z)
        return inner(z, t, **told)

    live.pipeline.net.forward = forward  # type: ignore[method-assign]
    finals(live, image_loss)
    third = ["guide", "back", "guide", "back", "guide", "augment", "back"]
    assert order == [*third * 3, "guide", "back", "guide", "back", "back"], "every floor(N / parts), not in the last"
    assert (seen[5] == 0.25).all(), "the second prediction is of what was pasted"


def test_cutmix_leaves_one_latent_alone() -> None:
    class Drawing:
        """Draws what CutMix draws, and leaves everything as it is."""

        def __call__(self, z: Tensor, numbers: torch.Generator) -> Tensor:
            CUTMIX(z, numbers)
            return z

    for size in (1, 4):
        cut = finals(opened(augment=CUTMIX), ImageLoss(onehot=1.0), size=size)
        drawn = finals(opened(augment=Drawing()), ImageLoss(onehot=1.0), size=size)
        assert torch.equal(cut, drawn) == (size == 1)


def test_cutmix_leaves_the_labels_alone() -> None:
    mixed = opened(augment=CUTMIX)
    list(mixed.improve(40, 1, ImageLoss(onehot=1.0), rng(), 0.0))
    _, labels = mixed.sample(40, rng(), training=True)
    assert labels is not None
    assert labels.tolist() == [0] * 20 + [1] * 20, "a class a trajectory, whatever was pasted"


def test_the_prior_alone_moves_the_noise_before_the_first_timestep() -> None:
    image_loss = ImageLoss(onehot=1.0, batchnorm=0.1)
    live = opened(init_bn_steps=3)
    losses = list(live.trajectory(1, 4, 1, image_loss, rng()))
    assert [only for _, _, only in image_loss.asked] == ["batchnorm"] * 3 + [None] * 9
    assert len(losses) == 9
    without = finals(opened(), ImageLoss(onehot=1.0, batchnorm=0.1), label=1)
    assert not torch.equal(live.estimates[0].pictures, without)
    assert torch.equal(finals(live, image_loss, steps=0), finals(opened(), image_loss, steps=0)), (
        "no guidance, no prior"
    )


def test_a_round_is_a_batch_of_images_and_the_classes_take_turns() -> None:
    live = opened(kept=2, timesteps=2, parts=1, at_once=4)
    assert live.trajectories(24) == [4, 4, 4]
    assert live.trajectories(21) == [4, 4, 3]
    assert live.trajectories(2) == [1]
    assert [live.updates(24, steps) for steps in (0, 1, 3)] == [0, 3, 9], "one timestep of two is guided"
    list(live.improve(24, 1, ImageLoss(onehot=1.0), rng(), 0.0))
    images, labels = live.sample(24, rng(), training=True)
    assert labels is not None
    assert labels.tolist() == [0] * 8 + [1] * 8 + [2] * 8
    pictures = torch.cat([estimate.pictures for estimate in live.estimates])
    mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
    assert torch.allclose(images[16:], (pictures - mean) / std, atol=1e-6)
    list(live.improve(21, 1, ImageLoss(onehot=1.0), rng(), 0.0))
    images, labels = live.sample(21, rng(), training=True)
    assert labels is not None
    assert (len(images), labels.tolist()) == (21, [3] * 8 + [4] * 8 + [0] * 5)


def test_an_evaluation_sees_finished_images_of_the_last_turns() -> None:
    live = opened(kept=2, timesteps=2, parts=1, at_once=4)
    list(live.improve(24, 0, ImageLoss(), rng(), 0.0))
    images, _ = live.sample(24, rng(), training=True)
    finished = torch.cat([images[8 * turn : 8 * turn + 4] for turn in range(3)])
    seen = live.sample(12, rng(), training=False)
    assert torch.equal(seen.images, finished)
    assert seen.labels is not None
    assert seen.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert torch.equal(live.sample(3, rng(), training=False).images, finished[::4]), "evenly over the classes"
    assert torch.equal(live.sample(30, rng(), training=False).images[12:24], finished), "over again"
    many = opened(replace(SETTING, classes=200), kept=1, timesteps=1, parts=1, at_once=4)
    list(many.improve(4 * 300, 0, ImageLoss(), rng(), 0.0))
    assert many.shown[1].tolist() == [k % 200 for k in range(300 - 256, 300)], "the newest, one of each class"


def test_a_saved_source_goes_on_with_the_next_class() -> None:
    first, second = opened(kept=1), opened(kept=1)
    list(first.improve(8, 1, ImageLoss(onehot=1.0), rng(), 0.0))
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    for live in (first, second):
        list(live.improve(4, 1, ImageLoss(onehot=1.0), rng(4), 0.0))
    one, other = (live.sample(4, rng(), training=True) for live in (first, second))
    assert torch.equal(one.images, other.images)
    assert one.labels is not None
    assert one.labels.tolist() == [2] * 4


def test_a_teacher_of_grey_images_sees_grey_ones_at_its_size() -> None:
    grey = opened(replace(SETTING, image=(1, 8, 8), mean=(0.5,), std=(0.25,)))
    list(grey.improve(4, 0, ImageLoss(), rng(), 0.0))
    assert grey.sample(4, rng(), training=True).images.shape == (4, 1, 8, 8)


def test_a_frozen_model_trains_no_term() -> None:
    with pytest.raises(
        ConfigError, match="a diffusion model is frozen, and a term of source_loss wants to learn with it"
    ):
        Diffusion().open(SETTING, [nn.Parameter(torch.zeros(1))], CPU)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"timesteps": 0}, "timesteps must be at least 1, got 0"),
        ({"at_once": 0}, "at_once must be at least 1, got 0"),
        ({"decode_at_once": 0}, "decode_at_once must be at least 1, got 0"),
        ({"init_bn_steps": -1}, "init_bn_steps must be at least 0, got -1"),
        ({"timesteps": 4}, "timesteps must be at least kept and parts, got 4"),
        ({"lr": 0}, "lr must be > 0, got 0"),
    ],
)
def test_what_is_no_diffusion(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}$"):
        Diffusion(**fields)


def test_in_float16_the_guidance_is_scaled_and_otherwise_the_same() -> None:
    image_loss, z = ImageLoss(onehot=1.0), torch.randn(4, *LATENT, generator=rng(3))
    moved = []
    for setting in (SETTING, replace(SETTING, precision="float16")):
        live = opened(setting)
        live.asked = torch.full((4,), 2)
        moved.append(live._guided(z, 500, image_loss)[0])
    assert torch.allclose(*moved, atol=1e-6)
    assert (live.scaler.get_scale(), live.scaler.state_dict()["_growth_tracker"]) == (1024, 1)


def test_a_trajectory_does_not_depend_on_the_scale_that_others_needed() -> None:
    def broken(images: Tensor, labels: Tensor | None, *, only: str | None = None) -> Any:
        return overflowing(images), {}

    live, alone = (opened(replace(SETTING, precision="float16")) for _ in range(2))
    pictures = finals(live, broken)
    assert live.skipped == 9, "each timestep but the last"
    assert torch.equal(pictures, finals(opened(), broken, steps=0)), "painted without guidance"
    image_loss = ImageLoss(onehot=1.0)
    assert torch.equal(finals(live, image_loss, seed=1), finals(alone, image_loss, seed=1))
    assert (live.skipped, alone.skipped) == (9, 0)


def test_frozen_parts_in_float16_scale_the_guidance_of_a_run_in_float32() -> None:
    whole, half = pipeline(), pipeline()
    half.half = True
    assert [opened(over=over).scaler.is_enabled() for over in (whole, half)] == [False, True]
