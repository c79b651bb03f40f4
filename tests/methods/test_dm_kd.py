"""DM-KD: what a diffusion model paints when it is told the class, and nothing else."""

from __future__ import annotations

import torch

from dfkd_ray.methods import config
from dfkd_ray.train.loop import distill
from tests.tiny import opened, shrunk, toy

METHOD = config.load("dm_kd")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.timesteps, source.guidance_scale, source.augment, source.kept) == (100, 2.0, None, 1)
    assert "DiT-XL-2" in source.model
    assert source.prompt == "{name}"
    assert METHOD.schedule.source_steps == 0
    assert not METHOD.source_loss.parts


def test_the_teacher_has_no_part_in_what_is_painted() -> None:
    images = []
    for teacher in (1, 3):
        run = opened(shrunk("dm_kd"), teacher=toy(teacher))
        next(distill(run))
        images.append(run.source.sample(8, run.rng, training=True).images)
    assert torch.equal(*images)
