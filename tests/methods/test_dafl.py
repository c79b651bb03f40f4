"""DAFL as its authors' code has it."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.methods import config
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Adam
from dfkd_ray.parts.sources.lifecycles import Keep
from tests.methods.bodies import agree, built, stated
from tests.tiny import opened, shrunk, toy, walked

METHOD = config.load("dafl")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.gives, source.output, source.lifecycle) == (1000, "last", "batchnorm", Keep())
    assert (source.optimizer, source.labels) == (Adam(lr=0.02), "none")
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {"onehot": 0.05, "entropy": pytest.approx(5 / math.log(10)), "activation": 0.01}
    assert METHOD.source_loss.parts["onehot"].term.target == "teacher"
    student = {name: (part.weight, part.term.temperature) for name, part in METHOD.student_loss.parts.items()}
    assert student == {"kd": (1.0, 1.0)}
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=5e-4)
    assert METHOD.memory == Fresh()
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (2000, 120, 1, 1, 1024)


def test_the_generator_is_the_codes() -> None:
    agree(built(METHOD), stated(1000, nn.Tanh(), nn.BatchNorm2d(3, affine=False), eps=0.8))


def test_the_students_rate_falls_at_epochs_800_and_1600() -> None:
    factors = [METHOD.student.lr_schedule(epoch / 2000) for epoch in (0, 799, 800, 1599, 1600, 1999)]
    assert factors == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.01])


def test_the_entropy_is_5_in_log10() -> None:
    part = METHOD.source_loss.parts["entropy"]
    logits = torch.randn(6, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    p = logits.softmax(1).mean(0)
    signals: Any = SimpleNamespace(teacher=SimpleNamespace(logits=logits))
    assert (part.weight * part.term(signals)).item() == pytest.approx(5 * (p * p.log10()).sum().item())


def test_a_joint_step_shows_the_student_the_images_of_the_generators_step() -> None:
    student = toy(2)
    seen: list[Tensor] = []
    student.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    run = opened(
        shrunk("dafl", {"schedule.epochs": 1, "schedule.rounds": 4, "schedule.source_steps": 1}), 0, None, student
    )
    judged: list[Tensor] = []
    image_loss = run.image_loss

    def watched(images: Tensor, labels: Tensor | None) -> Any:
        judged.append(images.detach().clone())
        return image_loss(images, labels)

    run.image_loss = watched  # type: ignore[method-assign]
    seen.clear()
    list(walked(run))
    assert run.method.schedule.student_steps == 1
    assert len(seen) == len(judged) == 4, "the student is run in its own step alone"
    assert all(torch.equal(a, b) for a, b in zip(seen, judged))
