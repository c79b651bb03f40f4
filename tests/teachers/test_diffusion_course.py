"""The course of a small diffusion model: its recipe, its two losses, what it draws, and what a killed process finds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from dfkd_ray.datasets import Split
from dfkd_ray.nets.pipelines.small import PipelineSizes
from dfkd_ray.teachers.diffusion_course import DiffusionCourse, DiffusionRecipe
from dfkd_ray.util.errors import DataError, TrialFailed

NAMES = ("dark_ones", "bright")
RECIPE = DiffusionRecipe(images=32, coder_epochs=2, coder_batch=16, batch=16, epochs=2)
SIZES = PipelineSizes(coder=(8, 8), latent=2, net=(8,), width=8, depth=1, heads=2)
COUNT = 20


@pytest.fixture
def course() -> DiffusionCourse:
    return begun()


def begun(recipe: DiffusionRecipe = RECIPE, seed: int = 0) -> DiffusionCourse:
    """Twenty images of 16x16, dark or bright."""
    rng, labels = torch.Generator().manual_seed(7), torch.arange(COUNT) % 2
    images = (torch.randint(0, 80, (COUNT, 1, 16, 16), generator=rng) + 150 * labels[:, None, None, None]).byte()
    with torch.random.fork_rng():
        torch.manual_seed(1)
        pipe = SIZES.text_to_image((1, 16, 16), recipe.captions(NAMES))
    return DiffusionCourse(pipe, recipe, Split(images, labels), NAMES, seed)


def run(course: DiffusionCourse, epochs: int = 99) -> list[float]:
    """So many epochs; the losses of all that there were."""
    while (stage := course.next()) and epochs:
        course.note(stage, course.train_epoch(stage, lambda done: None), 1.0)
        epochs -= 1
    return [epoch.loss for epoch in course.epochs]


def weights(course: DiffusionCourse) -> dict[str, Tensor]:
    parts = {name: getattr(course.pipe, name).state_dict() for name in ("vae", "unet", "text_encoder")}
    return {f"{name}.{key}": value.clone() for name, part in parts.items() for key, value in part.items()}


def same(one: DiffusionCourse, other: DiffusionCourse) -> bool:
    there = weights(other)
    return all(torch.equal(value, there[key]) for key, value in weights(one).items())


def test_both_losses_fall() -> None:
    losses = run(begun(replace(RECIPE, images=160, lr=5e-3, average=0.9)))
    assert losses[1] < losses[0]
    assert losses[3] < losses[2] < 1.5


def test_what_is_told_of_epochs_and_steps(course: DiffusionCourse) -> None:
    steps = []
    while stage := course.next():
        course.note(stage, course.train_epoch(stage, steps.append), 2.0)
    assert [(e.part, e.epoch, e.epochs) for e in course.epochs] == [
        *(("auto-encoder", n, 2) for n in (1, 2)),
        *(("U-Net", n, 2) for n in (1, 2)),
    ]
    assert (steps, course.steps) == ([1, 2, 3, 4, 5, 6, 7, 8], 8)
    assert course.seconds == 2.0


def test_each_image_is_drawn_as_often_as_any_other(course: DiffusionCourse) -> None:
    counts = torch.bincount(course._rows(), minlength=COUNT)
    assert (int(counts.sum()), int(counts.min()), int(counts.max())) == (32, 1, 2)
    few = begun(replace(RECIPE, images=7))
    assert len(few._rows().unique()) == 7


def test_the_u_net_learns_alone_while_the_auto_encoder_stands_still(course: DiffusionCourse) -> None:
    before = weights(course)
    run(course, 2)
    coded = weights(course)
    assert {key.split(".")[0] for key in coded if not torch.equal(coded[key], before[key])} == {"vae"}
    run(course)
    after = weights(course)
    assert {key.split(".")[0] for key in after if not torch.equal(after[key], coded[key])} == {"unet", "text_encoder"}


def test_latents_are_scaled_to_a_variance_of_one(course: DiffusionCourse) -> None:
    run(course, 3)
    vae = course.pipe.vae
    with torch.no_grad():
        posterior = vae.encode(course.train.images.float() / 127.5 - 1).latent_dist
        drawn = torch.stack([posterior.sample() for _ in range(200)]) * vae.config.scaling_factor
    assert drawn.var().item() == pytest.approx(1, rel=0.02)


def test_the_loss_of_the_u_net_is_its_error_in_the_noise(course: DiffusionCourse, monkeypatch: Any) -> None:
    """A net that sees the clean latents can tell the noise: z_t = sqrt(abar) z + sqrt(1 - abar) eps."""
    run(course, 2)
    zero = torch.zeros(COUNT, 2, 8, 8)
    course.latents = zero + 3.0, zero  # no spread
    course.pipe.vae.register_to_config(scaling_factor=0.5)
    abar = course.pipe.scheduler.alphas_cumprod

    def knows(noisy: Tensor, steps: Tensor, encoder_hidden_states: Tensor) -> Any:
        assert encoder_hidden_states.shape == (COUNT, 16, 8)
        a = abar[steps].view(-1, 1, 1, 1)
        return type("Out", (), {"sample": (noisy - a.sqrt() * 1.5) / (1 - a).sqrt()})

    monkeypatch.setattr(course.pipe.unet, "forward", knows)
    assert course._denoised(torch.arange(COUNT)).item() == pytest.approx(0, abs=1e-6)


def test_captions_have_the_class_or_not_or_nothing(course: DiffusionCourse, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = replace(RECIPE, named=0.5, dropped=0.2)
    course.recipe = recipe
    assert recipe.captions(NAMES) == [
        "A realistic photo of dark ones.",
        "A realistic photo of bright.",
        "A realistic photo.",
        "",
    ]
    told = course.pipe.tokenizer.batch_decode(course.captions, skip_special_tokens=True)
    assert told[0].startswith("a realistic photo of dark ones")
    monkeypatch.setattr(course.pipe.text_encoder, "forward", lambda ids: (ids.float(),))
    torch.manual_seed(0)
    rows = torch.arange(COUNT).repeat(200)
    drawn = course._told(rows)
    which = (drawn[:, None] == course.captions[None]).all(2).int().argmax(1)
    named = which < 2
    assert torch.equal(which[named], course.train.labels[rows][named])
    shares = [(which == n).float().mean().item() for n in (2, 3)]
    assert [named.float().mean().item(), *shares] == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


def test_the_average_of_the_weights_is_what_stays() -> None:
    course = begun(replace(RECIPE, coder_epochs=1, epochs=1, average=0.5, batch=4))
    run(course, 1)
    stage = course.stages[1]
    seen: list[list[Tensor]] = []
    stage.optimiser.register_step_post_hook(lambda *_: seen.append([w.detach().clone() for w in stage.weights]))
    start = [w.detach().clone() for w in stage.weights]
    run(course)
    for number, final in enumerate(stage.weights):
        average = start[number]
        for n, there in enumerate(seen, 1):
            keep = min(0.5, n / (n + 9))
            average = keep * average + (1 - keep) * there[number]
        torch.testing.assert_close(final, average, rtol=1e-5, atol=1e-6)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[DiffusionCourse, Path]:
    """A course to its end, and a folder with a checkpoint of each epoch."""
    course, folder = begun(), tmp_path_factory.mktemp("checkpoints")
    while len(run(course, 1)) < 4:
        course.save(folder / str(len(course.epochs)), {"seed": 0})
    return course, folder


def test_the_same_seed_gives_the_same_bits(finished: tuple[DiffusionCourse, Path]) -> None:
    torch.manual_seed(3)  # torch's own generator plays no part
    before = torch.get_rng_state()
    again, other = begun(), begun(seed=1)
    run(again)
    run(other)
    assert torch.equal(before, torch.get_rng_state())
    assert same(finished[0], again)
    assert not same(finished[0], other)


@pytest.mark.parametrize("killed_after", [1, 2, 3])
def test_a_killed_course_goes_on_to_the_same_bits(killed_after: int, finished: tuple[DiffusionCourse, Path]) -> None:
    (whole, folder), resumed = finished, begun()
    resumed.restore(folder / str(killed_after), {"seed": 0})
    assert resumed.epochs == whole.epochs[:killed_after]
    run(resumed)
    assert same(whole, resumed)
    assert resumed.epochs == whole.epochs
    assert resumed.pipe.vae.config.scaling_factor == whole.pipe.vae.config.scaling_factor != 0.18215


def test_a_checkpoint_of_another_course(finished: tuple[DiffusionCourse, Path]) -> None:
    with pytest.raises(DataError, match=r"1: a checkpoint of another training \(seed 0 there, 1 here\); --fresh"):
        begun().restore(finished[1] / "1", {"seed": 1})


def test_a_loss_that_is_not_finite_stops_the_course(course: DiffusionCourse, monkeypatch: Any) -> None:
    monkeypatch.setattr(course.stages[0], "loss", lambda rows: course.pipe.vae.encoder.conv_in.weight.sum() * torch.nan)
    with pytest.raises(TrialFailed, match="the loss of the auto-encoder is nan: lower the learning rate"):
        run(course)


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("images", 0), ("coder_lr", 0.0), ("kl", -1.0), ("average", 1.0), ("named", 0.95), ("prompt", "x")],
)
def test_a_recipe_that_cannot_be(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        replace(RECIPE, **{field: value})
