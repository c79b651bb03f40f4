"""Two stages: FastDFKD's parts without its adversary, all images first, then all steps of the student."""

from __future__ import annotations

from typing import Any

import torch

from dfkd_ray.methods import config, origins
from tests.tiny import opened, shrunk, walked

METHOD, RELATIVE = config.load("two_stage"), config.load("fast")


def test_it_says_that_it_is_our_own_and_differs_from_fast_in_what_it_says() -> None:
    assert origins.evidence("two_stage") == "own"
    assert set(METHOD.source_loss.parts) == set(RELATIVE.source_loss.parts) - {"adversarial"}
    for name, part in METHOD.source_loss.parts.items():
        assert part == RELATIVE.source_loss.parts[name]
    assert (METHOD.student_loss, METHOD.views) == (RELATIVE.student_loss, RELATIVE.views)
    slots = {path.split(".")[0] for path in config.diff(RELATIVE, METHOD)}
    assert slots == {"source", "source_loss", "memory", "student", "schedule"}
    plan = METHOD.schedule
    assert METHOD.memory.capacity > plan.warmup * plan.rounds * plan.batch == 5120, "nothing is dropped"


def test_the_source_rests_once_the_student_begins() -> None:
    run = opened(shrunk("two_stage", {"schedule.source_epochs": 1}))
    memory: Any = run.memory
    source: Any = run.source
    plan, sizes, weights = run.method.schedule, list[int](), list[torch.Tensor]()
    student = [torch.cat([p.detach().flatten() for p in run.student.parameters()])]
    for _ in walked(run):
        sizes.append(memory.added)
        weights.append(torch.cat([p.detach().flatten() for p in source.net.parameters()]))
        student.append(torch.cat([p.detach().flatten() for p in run.student.parameters()]))
    assert plan.source_epochs == plan.warmup == 1 < plan.epochs
    assert sizes == [plan.rounds * plan.batch] * plan.epochs
    assert all(torch.equal(each, weights[0]) for each in weights[1:])
    assert torch.equal(student[0], student[1])
    assert not torch.equal(student[1], student[2])
