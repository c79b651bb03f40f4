"""The control: plain distillation on Gaussian noise."""

from __future__ import annotations

import torch

from dfkd_ray.methods import config
from dfkd_ray.train.loop import distill
from tests.tiny import Toy, opened, small

METHOD = config.load("noise_kd")


def test_it_has_the_student_budget_of_dfkd_fgvc() -> None:
    other = config.load("dfkd_fgvc")
    assert METHOD.student == other.student
    for field in ("epochs", "rounds", "student_steps", "batch"):
        assert getattr(METHOD.schedule, field) == getattr(other.schedule, field)


def test_nothing_is_synthesised_and_only_the_prediction_teaches() -> None:
    run = opened(small(name="noise_kd"))
    teacher = run.teacher
    assert isinstance(teacher, Toy)
    assert list(run.student_loss.parameters()) == list(run.source_loss.parameters()) == []
    teacher.passes.clear()
    losses = [epoch.losses for epoch in distill(run)]
    assert [set(each) for each in losses] == [{"loss/student/kd", "loss/student/total"}] * 3
    plan = run.method.schedule
    assert len(teacher.passes) == plan.epochs * plan.rounds * plan.student_steps
    assert run.source.state_dict() == {}


def test_every_step_has_new_noise() -> None:
    run = opened(small(name="noise_kd"))
    rng = run.begin(1)
    batches = [run.memory.draw(run.source, 4, rng).images for _ in range(3)]
    assert not torch.equal(batches[0], batches[1])
    assert not torch.equal(batches[1], batches[2])
