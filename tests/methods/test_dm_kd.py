"""DM-KD: what a diffusion model paints when it is told the class, and nothing else."""

from __future__ import annotations

import pytest
import torch

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.kd import KD
from dfkd_ray.parts.memories.pool import PoolMemory
from dfkd_ray.parts.optimizers import SGD
from dfkd_ray.parts.views.flip import Flip
from dfkd_ray.parts.views.resized_crop import ResizedCrop
from dfkd_ray.train.loop import distill
from tests.tiny import opened, shrunk, toy

METHOD = config.load("dm_kd")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.timesteps, source.guidance_scale, source.augment, source.kept) == (100, 2.0, None, 1)
    assert (source.model, source.at_once) == ("facebook/DiT-XL-2-256", 10)
    assert source.prompt == "{name}"
    assert METHOD.schedule.source_steps == 0
    assert not METHOD.source_loss.parts
    assert METHOD.student_loss.parts["kd"].term == KD(temperature=10.0)
    assert list(METHOD.student_loss.parts) == ["kd"]
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    assert METHOD.views.student == (ResizedCrop(least=0.08), Flip()), "and nothing is mixed"


def test_a_hundred_epochs_on_200_000_images_follow_their_synthesis() -> None:
    plan = METHOD.schedule
    assert (plan.epochs - plan.warmup, plan.source_epochs, plan.batch) == (100, plan.warmup, 256)
    assert METHOD.memory == PoolMemory(capacity=200_000)
    assert 0 <= plan.source_rounds * plan.batch - 200_000 < plan.rounds * plan.batch
    assert abs(plan.rounds * plan.student_steps * plan.batch - 200_000) < plan.batch
    rates = [METHOD.student.lr_schedule(epoch / 100) for epoch in range(100)]
    expected = [0.1 ** sum(epoch > milestone for milestone in (30, 60, 90)) for epoch in range(1, 101)]  # from 1 there
    assert rates == pytest.approx(expected)


def test_the_teacher_has_no_part_in_what_is_painted() -> None:
    images = []
    for teacher in (1, 3):
        run = opened(shrunk("dm_kd"), teacher=toy(teacher))
        next(distill(run))
        images.append(run.source.sample(8, run.rng, training=True).images)
    assert torch.equal(*images)
