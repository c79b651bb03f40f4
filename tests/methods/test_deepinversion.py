"""DeepInversion as its authors' code sets it up for CIFAR-10 (arXiv:1912.08795)."""

from __future__ import annotations

from typing import Any

import torch

from dfkd_ray.methods import config
from dfkd_ray.parts.losses.batchnorm import BatchNorm
from dfkd_ray.parts.losses.l2 import L2
from dfkd_ray.parts.optimizers import Adam, Constant, Cosine
from dfkd_ray.parts.sources.pixels import Pixels
from dfkd_ray.parts.views.flip import Flip
from dfkd_ray.parts.views.jitter import Jitter
from tests.tiny import Toy, differing, flat, opened, shrunk, walked

METHOD = config.load("deepinversion")


def test_what_the_code_states_is_what_stands() -> None:
    optimizer = Adam(lr=0.05, betas=(0.9, 0.999))
    assert METHOD.source == Pixels(
        labels="balanced", gives="last", clamp=False, optimizer=optimizer, lr_schedule=Constant()
    )
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {"onehot": 1, "batchnorm": 10, "total_variation": 2.5e-5}
    assert METHOD.source_loss.parts["batchnorm"].term == BatchNorm(first_factor=1.0, momentum=0.0)
    assert METHOD.source_loss.parts["total_variation"].term.norm == "l2"
    assert METHOD.views.synthesis == (Jitter(pixels=2),)
    assert METHOD.student.lr_schedule == Cosine(), "that of adi"
    assert (METHOD.schedule.source_steps, METHOD.schedule.batch) == (2000, 256)
    assert METHOD.schedule.student_in_synthesis == "eval"


def test_every_image_is_made_before_the_student_learns_and_kept() -> None:
    plan = METHOD.schedule
    assert plan.warmup == plan.source_epochs == plan.epochs // 2
    assert METHOD.memory.capacity == plan.source_rounds * plan.batch


IMAGENET = {
    "source_loss.batchnorm": {"weight": 0.05, "first_factor": 10},
    "source_loss.total_variation.weight": 1e-4,
    "source_loss.l2": {"weight": 1e-5},
    "views.synthesis": [{"name": "jitter", "pixels": 30}, "flip"],
    "source.labels": "uniform",
    "source.gives": "best",
    "source.clamp": True,
    "source.optimizer": {"name": "adam", "lr": 0.2, "betas": [0.5, 0.9]},
    "source.lr_schedule": {"name": "cosine", "warmup": 0.05},
}


def test_the_defaults_for_imagenet_that_its_head_names_fit() -> None:
    method = config.change(METHOD, IMAGENET)
    assert method.source == Pixels(
        labels="uniform",
        gives="best",
        clamp=True,
        optimizer=Adam(lr=0.2, betas=(0.5, 0.9)),
        lr_schedule=Cosine(warmup=0.05),
    )
    assert method.source_loss.parts["batchnorm"].term == BatchNorm(first_factor=10)
    assert method.source_loss.parts["l2"].term == L2()
    assert method.views.synthesis == (Jitter(pixels=30), Flip())
    assert method.source.lr_schedule(100 / 2000) == 1, "100 steps of warm-up"
    (losses, *_) = [epoch.losses for epoch in walked(opened(shrunk("deepinversion", IMAGENET)))]
    assert all(abs(value) < float("inf") for value in losses.values())


def test_two_phases() -> None:
    run = opened(shrunk("deepinversion", {"schedule.warmup": 2, "schedule.rounds": 2, "memory.capacity": 32}))
    student, memory = run.student, run.memory
    assert isinstance(student, Toy)
    student.passes.clear()
    before, pools = flat(student.state_dict()), []
    for number, epoch in enumerate(walked(run), start=1):
        synthesises, learns = number <= 2, number > 2
        assert any("/source/" in name for name in epoch.losses) is synthesises
        assert any("/student/" in name for name in epoch.losses) is learns
        assert bool(differing(student.state_dict(), before)) is learns
        pools.append(flat(memory.state_dict())["images"])
        assert bool(student.passes) is learns, "nothing of the source asks the student"
        student.passes.clear()
    assert memory.state_dict()["added"] == 32
    assert torch.equal(pools[1], pools[2]), "the set is complete"
    assert not torch.equal(pools[0], pools[1])


def test_the_images_of_a_round_are_new_and_have_moved() -> None:
    run = opened(shrunk("deepinversion", {"schedule.rounds": 1, "schedule.source_steps": 10}))
    memory: Any = run.memory
    losses = [epoch.losses for epoch in walked(run, 2)]
    first, second = memory.images[:8].float(), memory.images[8:16].float()
    assert (first - second).abs().mean() > 0.5
    assert sorted(memory.labels[:8].bincount(minlength=5).tolist()) == [1, 1, 2, 2, 2]
    assert {"loss/source/onehot", "loss/source/batchnorm", "loss/source/total_variation"} <= set(losses[0])
