"""FastDFKD as its authors' code sets it up for CIFAR (arXiv:2112.06253)."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.parts.optimizers import SGD, Adam
from dfkd_ray.parts.sources.meta import Meta
from dfkd_ray.parts.sources.upsampling import Upsampling
from dfkd_ray.parts.views.crop import Crop
from dfkd_ray.parts.views.flip import Flip
from tests.methods.bodies import agree, built, stated
from tests.tiny import differing, flat, opened, shrunk, walked

METHOD = config.load("fast")


def test_what_the_code_states_is_what_stands() -> None:
    source = METHOD.source
    assert isinstance(source, Upsampling)
    assert (source.latent, source.width, source.doublings, source.output) == (256, 64, 2, "sigmoid")
    assert (source.labels, source.gives, source.latent_lr) == ("uniform", "best", 0.01)
    assert source.optimizer == Adam(lr=3e-3, betas=(0.5, 0.999))
    assert source.lifecycle == Meta(rule="fomaml", lr=None, reset_after=120 + 20 - 1)
    terms = METHOD.source_loss.parts
    weights = {name: part.weight for name, part in terms.items()}
    assert weights == {"batchnorm": 10, "onehot": 0.5, "adversarial": 1.33}
    assert terms["batchnorm"].term.momentum == 0.9
    assert terms["onehot"].term.target == "labels"
    adversarial = terms["adversarial"]
    assert (adversarial.start, adversarial.term.agreeing_only, adversarial.term.temperature) == (20, True, 1.0)
    assert METHOD.views.synthesis == METHOD.views.student == (Crop(padding=4), Flip())
    assert METHOD.student.optimizer == SGD(lr=0.2, momentum=0.9, weight_decay=1e-4)
    assert {name: part.weight for name, part in METHOD.student_loss.parts.items()} == {"kd": 1}
    assert METHOD.student_loss.parts["kd"].term.temperature == 20
    plan = METHOD.schedule
    assert (plan.epochs, plan.warmup, plan.rounds, plan.batch) == (220, 20, 1, 256)
    assert (plan.source_steps, plan.student_steps, plan.student_in_synthesis) == (5, 400, "eval")
    assert METHOD.memory.capacity == plan.epochs * plan.rounds * plan.batch, "every image is kept"


def test_the_generator_is_the_codes() -> None:
    agree(built(METHOD), stated(256, nn.Sigmoid()), normalised=True)


def test_the_students_rate_falls_to_2e_4_over_the_epochs_after_the_warm_up() -> None:
    run = opened(shrunk("fast", {"schedule.epochs": 5, "schedule.rounds": 1}))
    rates = [run.lr, *(run.lr for _ in walked(run))]
    assert rates[:2] == [0.2, 0.2], "one epoch of warm-up"
    assert all(later < earlier for earlier, later in pairwise(rates[1:]))
    assert rates[-1] == pytest.approx(2e-4)


def test_the_warm_up_fills_the_pool_and_leaves_the_student_and_its_adversary_alone() -> None:
    run = opened(shrunk("fast", {"source_loss.adversarial.start": 1}))
    student = flat(run.student.state_dict())
    epochs = walked(run)
    first = next(epochs)
    assert not differing(run.student.state_dict(), student)
    assert not any("student" in name or "adversarial" in name for name in first.losses)
    memory: Any = run.memory
    assert memory.size == run.method.schedule.rounds * run.method.schedule.batch
    second = next(epochs)
    assert {"loss/source/adversarial", "loss/student/kd"} <= set(second.losses)


def test_each_round_gives_one_batch_of_a_clone_and_moves_the_meta_generator() -> None:
    run = opened(shrunk("fast"))
    source: Any = run.source
    net, batches, weights = source.net, [], [source.net.project.weight.detach().clone()]
    for _ in walked(run):
        batches.append(source.kept.images)
        weights.append(source.net.project.weight.detach().clone())
        own = source.sample(8, torch.Generator().manual_seed(0), training=False).images
        assert not torch.equal(own, source.kept.images)
    assert source.net is net
    assert all(not torch.equal(a, b) for a, b in pairwise(weights))
    assert run.source_loss.calls["batchnorm"].share.item() == pytest.approx(0.9)  # type: ignore[attr-defined]
    assert source.optimizer.param_groups[0]["lr"] == pytest.approx(3e-3 * run.method.schedule.source_steps)


@pytest.mark.parametrize("changes", [{"source.lifecycle.rule": "reptile"}, {"source.lifecycle": "keep"}], ids=str)
def test_its_variants_run(changes: dict[str, Any]) -> None:
    losses = [epoch.losses for epoch in walked(opened(shrunk("fast", changes)))]
    assert all(abs(value) < float("inf") for each in losses for value in each.values())
