"""R-CGDD at 128 pixels: DFAD's schedule, CGDD's reconstructed terms."""

from __future__ import annotations

import pytest
import torch

from dfkd_ray.methods import config
from dfkd_ray.parts.optimizers import SGD, Adam
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.conditions import Concat

METHOD, CIFAR = config.load("cgdd_caltech101"), config.load("cgdd")


def test_the_schedule_is_dfads_for_caltech101() -> None:
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (300, 50, 1, 5, 64)
    assert METHOD.student.optimizer == SGD(lr=0.05, momentum=0.9, weight_decay=5e-4)
    assert METHOD.source.optimizer == Adam(lr=1e-3)


@pytest.mark.parametrize("schedule", [METHOD.source.lr_schedule, METHOD.student.lr_schedule])
def test_both_rates_fall_to_a_tenth_every_100_epochs(schedule: object) -> None:
    assert callable(schedule)
    for epoch, rate in ((1, 1), (100, 1), (101, 0.1), (200, 0.1), (201, 0.01), (300, 0.01)):
        for round_ in (0, 49):
            progress = ((epoch - 1) * 50 + round_) / (300 * 50)
            assert schedule(progress) == pytest.approx(rate), f"epoch {epoch}, round {round_}"


def test_the_terms_are_those_of_the_other_schedule() -> None:
    assert (METHOD.source_loss, METHOD.student_loss, METHOD.memory) == (
        CIFAR.source_loss,
        CIFAR.student_loss,
        CIFAR.memory,
    )
    assert METHOD.source.condition == CIFAR.source.condition == Concat(50)


def test_the_generator_draws_128_pixels_in_the_range_of_the_data() -> None:
    setting = Setting((3, 128, 128), 101, (0.5,) * 3, (0.5,) * 3, Layout((), 512), Layout((), 512))
    small = config.change(METHOD, {"source.width": 2, "source.latent": 8}).source
    live = small.open(setting, (), torch.device("cpu"))
    images, labels = live.sample(2, torch.Generator().manual_seed(0), training=True)
    assert images.shape == (2, 3, 128, 128)
    assert images.abs().max() <= 1
    assert labels is not None
    assert live.net.start == (16, 8, 8)
    assert not any("parametrizations" in key for key in live.net.state_dict())
