"""DDA: the authors' code, which is CSD's, and what is reconstructed of the variations that it lacks."""

from __future__ import annotations

from typing import Any

from dfkd_ray import metrics
from dfkd_ray.methods import config, origins
from dfkd_ray.parts.optimizers import Cosine
from tests.tiny import opened, shrunk, walked

METHOD, RELATIVE = config.load("dda"), config.load("csd")


def test_it_is_its_relative_with_variations_and_its_own_schedule() -> None:
    assert origins.evidence("dda") == "reconstruction", "the variations are"
    differs = set(config.diff(RELATIVE, METHOD))
    mine = {path for path in differs if path.startswith("memory.varied")}
    assert mine
    lengths = {f"schedule.{name}" for name in ("epochs", "warmup", "rounds", "student_steps")}
    assert differs - mine == {"memory.capacity", "source_loss.rotation.start", *lengths}
    assert METHOD.student.lr_schedule == Cosine()


def test_its_bank_is_that_of_the_first_script_and_varied_once() -> None:
    plan, varied = METHOD.schedule, METHOD.memory.varied
    assert (plan.warmup * plan.rounds, plan.batch) == (400, 200)
    assert varied.first == plan.warmup * plan.rounds * plan.batch
    assert METHOD.source_loss.parts["rotation"].start == plan.warmup
    assert plan.epochs - plan.warmup == 200
    images = plan.epochs * plan.rounds * plan.batch
    assert METHOD.memory.capacity == images + varied.copies * varied.first
    assert plan.rounds * plan.student_steps == 2000


def test_variations_fill_the_memory_in_the_warm_up_alone_and_are_counted() -> None:
    run = opened(shrunk("dda", {"memory.capacity": 1000, "memory.varied.first": 16}))
    memory: Any = run.memory
    plan, sizes, kept = run.method.schedule, list[int](), list[float]()
    for epoch in walked(run):
        sizes.append(memory.added)
        kept.append(epoch.losses[metrics.KEPT])
    assert (plan.warmup, plan.rounds, plan.batch) == (1, 2, 8)
    assert sizes == [32, 48, 64]
    assert kept == [1.0, 1.0, 1.0]
    assert metrics.KEPT not in list(walked(opened(shrunk("csd"))))[-1].losses
