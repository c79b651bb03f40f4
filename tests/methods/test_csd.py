"""CSD as its authors' code has it."""

from __future__ import annotations

from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.rotation import Rotation
from dfkd_ray.parts.memories.pool import PoolMemory
from dfkd_ray.parts.optimizers import SGD, Adam
from dfkd_ray.parts.sources.lifecycles import Renew
from tests.methods.bodies import agree, built, stated

METHOD = config.load("csd")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.latent_lr, source.labels, source.gives) == (256, 1e-3, "uniform", "best")
    assert (source.lifecycle, source.optimizer) == (Renew(every=1), Adam(lr=1e-3, betas=(0.5, 0.999)))
    parts = METHOD.source_loss.parts
    assert {name: part.weight for name, part in parts.items()} == {"batchnorm": 1, "onehot": 1, "rotation": 10}
    assert (parts["rotation"].term, parts["rotation"].start) == (Rotation(), METHOD.schedule.warmup)
    student = {name: part.weight for name, part in METHOD.student_loss.parts.items()}
    assert student == {"kd": 1, "cross_entropy": 1, "feature_mse": 30}
    assert METHOD.student_loss.parts["kd"].term.temperature == 20
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    plan = METHOD.schedule
    assert METHOD.memory == PoolMemory(capacity=plan.epochs * plan.rounds * plan.batch)
    assert (plan.epochs - plan.warmup, plan.warmup, plan.source_steps, plan.student_steps) == (100, 400, 200, 2000)


def test_the_generator_is_the_codes() -> None:
    agree(built(METHOD), stated(256, nn.Sigmoid()), normalised=True)
