"""DiffDFKD as its authors' released code has it, without that code's defects."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.adversarial import Adversarial
from dfkd_ray.parts.losses.kd import KD
from dfkd_ray.parts.memories.pool import PoolMemory
from dfkd_ray.parts.optimizers import SGD
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.parts.views.flip import Flip
from dfkd_ray.train.loop import distill
from tests.tiny import opened, shrunk, walked

METHOD = config.load("diff_dfkd")


def test_what_the_code_states_is_what_stands() -> None:
    source, plan = METHOD.source, METHOD.schedule
    assert source.prompt == "A realistic photo.", "no class name: the class comes from the teacher"
    assert (source.timesteps, source.guidance_scale, source.lr, source.parts, source.kept) == (50, 3.0, 1.0, 5, 5)
    assert (source.augment, source.at_once) == (None, 1), "the paper's CutMix is off by default"
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {"onehot": 1.0, "batchnorm": 0.1, "adversarial": 1.0}
    adversary = METHOD.source_loss.parts["adversarial"].term
    assert adversary == Adversarial(agreeing_only=True, through_teacher=False)
    assert METHOD.student_loss.parts["kd"].term == KD(temperature=30.0)
    assert METHOD.student.optimizer == SGD(lr=0.2, momentum=0.9, weight_decay=5e-4)
    assert METHOD.views.student == (Crop(padding=4), Flip())
    assert METHOD.views.synthesis == ()
    assert (plan.source_steps, plan.batch, plan.student_in_synthesis) == (1, 256, "eval")


def test_the_rate_falls_when_an_epoch_past_150_180_and_210_is_over() -> None:
    """The code counts epochs from 0 and lowers the rate after one, where its number is above a milestone."""
    rates, rate = [], 1.0
    for epoch in range(240):
        rates.append(rate)
        rate = 0.1 ** sum(epoch > milestone for milestone in (150, 180, 210))
    assert [METHOD.student.lr_schedule(epoch / 240) for epoch in range(240)] == pytest.approx(rates)


def test_the_set_is_complete_before_the_student_learns_and_the_pool_holds_it() -> None:
    plan = METHOD.schedule
    assert plan.warmup == plan.source_epochs == 100
    assert plan.epochs - plan.warmup == 240
    images = plan.source_rounds * plan.batch
    assert PoolMemory(capacity=50_000) == METHOD.memory
    assert 50_000 <= images < 52_000
    epoch = plan.rounds * plan.student_steps * plan.batch
    assert abs(epoch - 50_000) < plan.batch


def test_the_paper_s_variant_is_two_terms_more() -> None:
    lines = (Path(config.__file__).parent / "diff_dfkd.yaml").read_text(encoding="utf-8")
    assert (
        "student_loss.cam: {weight: 1.0}, student_loss.grad_cam: {weight: 1.0, stages: all, second_order: false}"
        in lines
    )
    changes: dict[str, Any] = {"student_loss.cam": {"weight": 1.0}}
    changes["student_loss.grad_cam"] = {"weight": 1.0, "stages": "all", "second_order": False}
    changes["student_loss.cross_entropy"] = {"weight": 0.5}
    (*_, last) = walked(opened(shrunk("diff_dfkd", {**changes, "views.student": ["flip", "mix_cut", "resized_crop"]})))
    assert {"loss/student/cam", "loss/student/grad_cam", "loss/student/cross_entropy"} <= last.losses.keys()


def test_an_adversary_meets_a_student_that_has_rehearsed() -> None:
    method = shrunk("diff_dfkd", {"schedule.warmup": 2, "schedule.epochs": 3, "schedule.rehearse_every": 2})
    run = opened(method)
    seen: list[torch.Tensor] = []
    image_loss = run.image_loss

    def spy(images: torch.Tensor, labels: Any, /, *, only: str | None = None) -> Any:
        seen.append(next(run.student.parameters()).detach().clone())
        return image_loss(images, labels, only=only)

    run.image_loss = spy  # type: ignore[method-assign]
    epochs = distill(run)
    next(epochs)
    first = len(seen)
    assert all(torch.equal(weights, seen[0]) for weights in seen)
    next(epochs)
    assert all(torch.equal(weights, seen[first]) for weights in seen[first:])
    assert not torch.equal(seen[0], seen[first]), "it rehearsed between the two epochs"
    assert run.spent()["updates/source"] == len(seen)
