"""ZSKT as its authors' code has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.methods import config
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import Adam, Cosine
from tests.methods.bodies import agree, built, stated
from tests.tiny import opened, shrunk, toy, walked

METHOD = config.load("zskt")


def test_what_the_code_states_is_what_stands() -> None:
    source, student = METHOD.source, METHOD.student
    assert (source.latent, source.gives, source.output) == (100, "new", "affine_batchnorm")
    assert (source.optimizer, source.lr_schedule, source.clip) == (Adam(lr=1e-3), Cosine(), 5.0)
    assert (student.optimizer, student.lr_schedule, student.clip) == (Adam(lr=2e-3), Cosine(), 5.0)
    assert {name: part.weight for name, part in METHOD.source_loss.parts.items()} == {"adversarial": 0.1}
    assert {name: part.weight for name, part in METHOD.student_loss.parts.items()} == {
        "kd": 0.1,
        "attention_transfer": 250.0,
    }
    assert METHOD.memory == Fresh(reuse=10)
    plan = METHOD.schedule
    assert plan.epochs * plan.rounds == 80_000
    assert (plan.source_steps, plan.student_steps, plan.batch) == (1, 10, 128)


def test_the_generator_is_the_codes() -> None:
    """No tanh; what ends it has a scale and a shift."""
    net = built(METHOD)
    torch.nn.init.normal_(net.head.weight)
    torch.nn.init.normal_(net.head.bias)
    agree(net, stated(100, nn.BatchNorm2d(3)))


@pytest.mark.parametrize(("slot", "name", "sign"), [("source_loss", "adversarial", -1), ("student_loss", "kd", 1)])
def test_the_divergences_are_means_over_images_and_ten_classes(slot: str, name: str, sign: int) -> None:
    part = getattr(METHOD, slot).parts[name]
    t, s = torch.randn(2, 6, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = sign * F.kl_div(s.log_softmax(1), t.softmax(1), reduction="none").mean()
    signals: Any = SimpleNamespace(teacher=SimpleNamespace(logits=t), student=SimpleNamespace(logits=s))
    assert (part.weight * part.term(signals)).item() == pytest.approx(expected.item())


def test_one_batch_serves_all_steps_of_the_student_in_a_round() -> None:
    student = toy(2)
    seen: list[Tensor] = []
    student.register_forward_pre_hook(lambda module, args: seen.append(args[0].detach().clone()))
    changes = {"schedule.epochs": 1, "schedule.rounds": 2, "schedule.source_steps": 1, "schedule.student_steps": 10}
    run = opened(shrunk("zskt", changes), 0, None, student)
    seen.clear()
    list(walked(run))
    first, second = seen[:11], seen[11:]
    for of_the_source, *of_the_student in (first, second):
        assert len(of_the_student) == 10
        assert all(torch.equal(images, of_the_student[0]) for images in of_the_student)
        assert not torch.equal(of_the_source, of_the_student[0])
    assert not torch.equal(first[1], second[1])
