"""Adaptive DeepInversion as the code of CMI sets it up for CIFAR-10 (arXiv:1912.08795)."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.adversarial import Adversarial
from dfkd_ray.parts.losses.total_variation import TotalVariation
from dfkd_ray.parts.optimizers import SGD, Adam
from dfkd_ray.parts.signals import Signals
from dfkd_ray.parts.sources.pixels import Pixels
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.parts.views.flip import Flip
from dfkd_ray.parts.views.jitter import Jitter
from tests.tiny import opened, shrunk, toy, walked

METHOD = config.load("adi")


def test_what_the_code_states_is_what_stands() -> None:
    optimizer = Adam(lr=0.1, betas=(0.5, 0.99))
    assert METHOD.source == Pixels(labels="uniform", gives="last", clamp=True, optimizer=optimizer)
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {"onehot": 1, "batchnorm": 10, "adversarial": 1, "total_variation": 1e-3}
    assert METHOD.source_loss.parts["adversarial"].term == Adversarial(divergence="js", temperature=3.0)
    assert METHOD.views.synthesis == (Jitter(pixels=32 // 8), Flip())
    assert METHOD.views.student == (Crop(padding=4), Flip())
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    assert METHOD.source_loss.parts["total_variation"].term == TotalVariation(norm="l1")
    assert METHOD.student_loss.parts["kd"].term.temperature == 20
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.warmup, plan.source_epochs) == (200, 1, 0, None)
    assert (plan.source_steps, plan.student_steps, plan.batch, plan.student_in_synthesis) == (1000, 400, 256, "eval")
    assert METHOD.memory.capacity == plan.epochs * plan.batch, "every image is kept"


def test_the_students_rate_falls_along_half_a_cosine_to_0() -> None:
    """As of torch's CosineAnnealingLR over the 200 epochs, which the code steps at the end of each."""
    student = METHOD.student
    rates = [student.optimizer.lr * student.lr_schedule(epoch / 200) for epoch in range(200)]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=200)
    for rate in rates:
        assert rate == pytest.approx(schedule.get_last_lr()[0], abs=1e-9)
        optimizer.step()
        schedule.step()
    assert student.lr_schedule(1.0) == 0


def test_total_variation_weighs_as_in_the_code() -> None:
    """0.001 of the mean magnitudes of differences over four directions; by norms of the batch it was 1,000 times it."""
    x = torch.randn(256, 3, 32, 32, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    pairs = (x[:, :, :, 1:] - x[:, :, :, :-1], x[:, :, 1:] - x[:, :, :-1])
    corners = (x[:, :, 1:, 1:] - x[:, :, :-1, :-1], x[:, :, 1:, :-1] - x[:, :, :-1, 1:])
    expected = 1e-3 * sum(float(d.abs().sum()) / d.numel() for d in (*pairs, *corners))
    part = METHOD.source_loss.parts["total_variation"]
    assert part.weight * part.term(Signals(x, None, toy(1), toy(2))).item() == pytest.approx(expected)
    assert expected == pytest.approx(1e-3 * 4 * 2 / math.sqrt(math.pi), rel=0.01), "of white noise"


def test_images_compete_with_the_student_of_the_time_and_join_those_before() -> None:
    run = opened(shrunk("adi", {"schedule.rounds": 1}))
    memory: Any = run.memory
    for number, epoch in enumerate(walked(run), start=1):
        assert {"loss/source/adversarial", "loss/student/kd"} <= set(epoch.losses)
        assert memory.size == 8 * number
    assert torch.equal(run.source.sample(8, torch.Generator(), training=False).images.half(), memory.images[16:24])


def test_the_competition_leads_to_images_on_which_the_two_differ() -> None:
    """The divergence at the end of a round by the formula, with a competition and with its contrary."""
    found = {}
    for weight in (-1, 1):
        others = ("onehot", "batchnorm", "total_variation")
        alone = {"schedule.student_steps": 0} | {f"source_loss.{term}": None for term in others}
        steps = {"schedule.epochs": 1, "schedule.rounds": 1, "schedule.source_steps": 40}
        run = opened(shrunk("adi", {**alone, **steps, "source_loss.adversarial.weight": weight}))
        list(walked(run))
        images = run.source.sample(8, torch.Generator(), training=True).images
        run.student.eval()
        with torch.no_grad():
            p, q = ((net(images) / 3).softmax(1) for net in (run.teacher, run.student))
        m = (p + q) / 2
        found[weight] = float((p * (p / m).log() + q * (q / m).log()).sum(1).mean() / 2)
    assert found[1] > 1.2 * found[-1]
