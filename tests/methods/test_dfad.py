"""DFAD as its authors' code has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Adam
from tests.methods.bodies import agree, built, stated
from tests.tiny import opened, shrunk, walked

METHOD = config.load("dfad")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.gives, source.output, source.optimizer) == (256, "new", "batchnorm", Adam(lr=1e-3))
    assert {name: part.weight for name, part in METHOD.source_loss.parts.items()} == {"adversarial": 1.0}
    adversary = METHOD.source_loss.parts["adversarial"].term
    assert (adversary.divergence, adversary.through_teacher, adversary.agreeing_only) == ("l1", True, False)
    assert {name: part.weight for name, part in METHOD.student_loss.parts.items()} == {"logit_l1": 1.0}
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=5e-4)
    assert METHOD.memory == Fresh()
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (500, 50, 1, 5, 256)


def test_the_generator_is_the_codes() -> None:
    agree(built(METHOD), stated(256, nn.Tanh(), nn.BatchNorm2d(3, affine=False)))


@pytest.mark.parametrize("schedule", [METHOD.source.lr_schedule, METHOD.student.lr_schedule])
def test_both_rates_are_lower_in_epochs_100_and_200(schedule: Any) -> None:
    """Counted from 1: its schedules step when an epoch begins."""
    done = [epoch - 1 for epoch in (1, 99, 100, 199, 200)]
    assert [schedule(epochs / 500) for epochs in done] == pytest.approx([1, 1, 0.1, 0.1, 0.01])


def test_the_two_play_for_the_same_number() -> None:
    t, s = torch.randn(2, 6, 10, generator=torch.Generator().manual_seed(0))
    signals: Any = SimpleNamespace(teacher=SimpleNamespace(logits=t), student=SimpleNamespace(logits=s))
    values = [
        part.weight * part.term(signals)
        for part in (METHOD.source_loss.parts["adversarial"], METHOD.student_loss.parts["logit_l1"])
    ]
    assert values[0].item() == pytest.approx(-values[1].item())
    assert values[1].item() == pytest.approx((t - s).abs().sum().item() / 60)


def test_a_run_logs_both_sides() -> None:
    *_, epoch = walked(opened(shrunk("dfad")))
    assert epoch.losses["loss/source/adversarial"] < 0 < epoch.losses["loss/student/logit_l1"]
