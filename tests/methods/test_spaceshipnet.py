"""SpaceshipNet as its authors' code has it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.grad_cam import GradCam
from dfkd_ray.parts.memories.feature_exchange import FeatureExchange
from dfkd_ray.parts.optimizers import SGD, Adam, Cosine
from dfkd_ray.parts.sources.forget import Forget
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.parts.views.flip import Flip
from tests.methods.bodies import agree, built, stated
from tests.tiny import opened, shrunk, walked

METHOD = config.load("spaceshipnet")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert (source.latent, source.latent_lr, source.labels, source.gives) == (256, 0.0, "balanced", "best")
    assert (source.output, source.width, source.doublings) == ("sigmoid", 64, 2)
    assert (source.optimizer, source.lifecycle) == (Adam(lr=1e-3, betas=(0.5, 0.999)), Forget(each="round"))
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {"onehot": 0.5, "batchnorm": 1.0}, "no adversary"
    assert METHOD.source_loss.parts["onehot"].term.target == "labels"
    assert METHOD.memory == FeatureExchange(p=0.7, capacity=20 * 256)
    assert {name: part.weight for name, part in METHOD.student_loss.parts.items()} == {
        "kd": 0.1,
        "cam": 1.0,
        "grad_cam": 1.0,
    }
    assert METHOD.student_loss.parts["grad_cam"].term == GradCam(stages="all", second_order=False)
    assert METHOD.student.optimizer == SGD(lr=0.1, momentum=0.9, weight_decay=1e-4)
    assert METHOD.student.lr_schedule == Cosine()
    assert METHOD.views.synthesis == METHOD.views.student == (Crop(padding=4), Flip())
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (200, 1, 200, 2000, 256)


def test_the_generator_is_the_codes_with_its_weights() -> None:
    net = built(METHOD)
    agree(net, stated(256, nn.Sigmoid()), normalised=True)
    inputs = {"project": 256, "blocks.0.1": 128 * 9, "blocks.1.1": 128 * 9, "to_image": 64 * 9}
    for name, count in inputs.items():
        layer = net.get_submodule(name)
        assert layer.weight.std().item() == pytest.approx((2 / count) ** 0.5, rel=0.1), name
        assert not layer.bias.any(), name
    scales = torch.cat([m.weight for m in net.modules() if isinstance(m, nn.BatchNorm2d)])
    assert scales.std().item() == pytest.approx(0.02, rel=0.2)
    assert METHOD.student.init == "xavier"


def test_the_divergence_is_900_times_the_mean_over_images_and_ten_classes() -> None:
    part = METHOD.student_loss.parts["kd"]
    t, s = torch.randn(2, 6, 10, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = 900 * F.kl_div((s / 30).log_softmax(1), (t / 30).softmax(1), reduction="none").mean()
    signals: Any = SimpleNamespace(teacher=SimpleNamespace(logits=t), student=SimpleNamespace(logits=s))
    assert (part.weight * part.term(signals)).item() == pytest.approx(expected.item())


def test_a_round_is_one_z_one_optimiser_and_one_batch_of_features() -> None:
    run = opened(shrunk("spaceshipnet", {"schedule.epochs": 1, "schedule.warmup": 0, "schedule.rounds": 3}))
    source: Any = run.source
    given: list[Tensor] = []
    source.net.project.register_forward_pre_hook(lambda module, args: given.append(args[0].clone()))
    (epoch,) = walked(run)
    plan = run.method.schedule
    assert len(given) == 3 * plan.source_steps, "the student's images come of the features, not of z"
    rounds = [given[n : n + plan.source_steps] for n in range(0, len(given), plan.source_steps)]
    assert all(torch.equal(z, each[0]) for each in rounds for z in each)
    assert not torch.equal(rounds[0][0], rounds[1][0])
    steps = {int(state["step"]) for state in source.optimizer.state.values()}
    assert steps == {plan.source_steps}
    memory: Any = run.memory
    assert [pool.size for pool in memory.pools] == [3 * plan.batch] * 3
    assert {"loss/student/cam", "loss/student/grad_cam", "loss/source/onehot"} <= set(epoch.losses)
