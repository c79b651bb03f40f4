"""DFQ as a baseline in the code of CMI."""

from __future__ import annotations

import pytest
from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Adam
from tests.methods.bodies import agree, built, stated
from tests.tiny import Toy, opened, shrunk, toy, walked

METHOD = config.load("dfq")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.gives, source.output) == (256, "new", "sigmoid")
    assert source.optimizer == Adam(lr=1e-3, betas=(0.5, 0.999))
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {"adversarial": 1.0, "batchnorm": 1.0, "onehot": 1.0, "entropy": 20.0}
    terms = {name: part.term for name, part in METHOD.source_loss.parts.items()}
    assert (terms["onehot"].target, terms["batchnorm"].first_factor, terms["batchnorm"].momentum) == ("teacher", 1, 0)
    assert (terms["adversarial"].divergence, terms["adversarial"].temperature) == ("kl", 1.0)
    student = {name: (part.weight, part.term.temperature) for name, part in METHOD.student_loss.parts.items()}
    assert student == {"kd": (1.0, 1.0)}
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    assert METHOD.memory == Fresh()
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds * plan.student_steps, plan.batch) == (200, 400, 256)
    assert (plan.source_steps, plan.student_steps) == (1, 10)


def test_the_students_rate_falls_along_half_a_cosine_to_0() -> None:
    factors = [METHOD.student.lr_schedule(epoch / 200) for epoch in (0, 50, 100, 150, 200)]
    assert factors == pytest.approx([1, (1 + 0.5**0.5) / 2, 0.5, (1 - 0.5**0.5) / 2, 0])


def test_the_generator_is_the_large_one_of_the_code() -> None:
    agree(built(METHOD), stated(256, nn.Sigmoid(), first=256), normalised=True)


def test_the_student_is_judged_in_evaluation_mode() -> None:
    student = toy(2)
    run = opened(shrunk("dfq", {"schedule.epochs": 1, "schedule.rounds": 1}), student=student)
    assert isinstance(student, Toy)
    student.passes.clear()
    list(walked(run))
    plan = run.method.schedule
    assert student.passes == [False] * plan.source_steps + [True] * plan.student_steps
