"""CPSC-DFKD as its authors' code has it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.nets.conditioners import ConditionalBatchNorm
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Adam, Cosine
from dfkd_ray.parts.signals import Layout, Setting
from dfkd_ray.parts.sources.conditions import Norms
from dfkd_ray.parts.sources.forget import Forget
from tests.tiny import opened, shrunk, toy, walked

METHOD = config.load("cpsc")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.width, source.labels, source.condition) == (256, 64, "uniform", Norms())
    assert (source.optimizer, source.lifecycle) == (Adam(lr=1e-3, betas=(0.5, 0.999)), Forget())
    terms = {name: (part.weight, part.term.registered_as) for name, part in METHOD.source_loss.parts.items()}
    assert terms == {
        "adversarial": (1.0, "adversarial"),
        "adversarial_mse": (5.0, "adversarial"),
        "batchnorm": (1.0, "batchnorm"),
        "supervised_contrast": (0.7, "supervised_contrast"),
        "onehot": (0.7, "onehot"),
    }
    assert METHOD.source_loss.parts["supervised_contrast"].term.temperature == 0.07
    kl, mse = (METHOD.source_loss.parts[name].term for name in ("adversarial", "adversarial_mse"))
    assert (kl.divergence, kl.temperature, mse.divergence, mse.through_teacher) == ("kl", 1.0, "mse", False)
    student = {name: part.weight for name, part in METHOD.student_loss.parts.items()}
    assert student == {"kd": 1.0, "logit_mse": 5.0, "cross_entropy": 0.7}
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=5e-4)
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (600, 50, 6, 5, 512)
    assert (plan.student_in_synthesis, METHOD.memory) == ("train", Fresh())


def test_the_warm_up_lasts_ten_epochs() -> None:
    schedule = METHOD.student.lr_schedule
    assert isinstance(schedule, Cosine)
    assert [schedule(epoch / 600) for epoch in (0, 5, 10, 600)] == pytest.approx([0, 0.5, 1, 0], abs=1e-4)


def test_the_generator_is_the_codes() -> None:
    """Linear to 128 x 8 x 8, convolutions to 128, 64 and 3 channels, each followed by its conditional BatchNorm."""
    setting = Setting((3, 32, 32), 100, (0.5,) * 3, (0.5,) * 3, Layout((), 512), Layout((), 512))
    net = METHOD.source.build(setting)
    convs = [(m.in_channels, m.out_channels) for m in net.modules() if isinstance(m, nn.Conv2d)]
    norms = [m.scale.weight.shape for m in net.modules() if isinstance(m, ConditionalBatchNorm)]
    assert (net.project.in_features, net.project.out_features) == (256, 128 * 8 * 8)
    assert convs == [(128, 128), (128, 64), (64, 3)]
    assert norms == [(100, 128), (100, 128), (100, 64), (100, 3)]
    assert {m.norm.eps for m in net.modules() if isinstance(m, ConditionalBatchNorm)} == {1e-3}
    assert net(torch.randn(2, 256), torch.tensor([0, 99])).shape == (2, 3, 32, 32)


def test_no_optimiser_moves_the_adapter() -> None:
    run = opened(shrunk("cpsc"), student=toy(2, width=4))
    term: Any = run.source_loss.calls["supervised_contrast"]
    before = [p.detach().clone() for p in term.adapt.parameters()]
    assert [tuple(p.shape) for p in before] == [(8, 8), (8,), (16, 8), (16,)]
    list(walked(run))
    assert all(map(torch.equal, term.adapt.parameters(), before))


def test_a_run_logs_every_term_and_moves_the_embeddings() -> None:
    run = opened(shrunk("cpsc"))
    scales = [m.scale.weight for m in run.source.net.modules() if isinstance(m, ConditionalBatchNorm)]  # type: ignore[attr-defined]
    assert all(torch.equal(scale, torch.ones_like(scale)) for scale in scales)
    *_, epoch = walked(run)
    assert {f"loss/source/{name}" for name in METHOD.source_loss.parts} <= set(epoch.losses)
    assert {f"loss/student/{name}" for name in METHOD.student_loss.parts} <= set(epoch.losses)
    assert all((scale != 1).any() for scale in scales)
