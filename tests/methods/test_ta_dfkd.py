"""TA-DFKD as its authors' code has it."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from dfkd_ray.methods import config
from dfkd_ray.parts.clean import clean
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.optimizers import SGD, Adam
from tests.methods.bodies import agree, built, stated
from tests.tiny import opened, shrunk, walked

METHOD = config.load("ta_dfkd")


def test_what_the_code_states_is_what_stands() -> None:
    assert (METHOD.source.latent, METHOD.source.labels, METHOD.source.optimizer) == (1000, "none", Adam(lr=1e-3))
    weights = {name: part.weight for name, part in METHOD.source_loss.parts.items()}
    assert weights == {"batchnorm": 10, "l2": 6e-3, "total_variation": 1.5e-5, "adversarial": 0.1}
    assert "onehot" not in weights, "no class prior: that is the point"
    term = METHOD.source_loss.parts["adversarial"].term
    assert (term.divergence, term.temperature, term.clean) == ("js", 3.0, 0.5)
    assert METHOD.memory == Fresh(clean=0.5)
    assert set(METHOD.student_loss.parts) == {"logit_l1"}
    assert METHOD.student.optimizer == SGD(lr=0.01, momentum=0.9, weight_decay=5e-4)
    plan = METHOD.schedule
    assert (plan.epochs, plan.rounds, plan.source_steps, plan.student_steps, plan.batch) == (200, 36, 1, 10, 1024)


def test_the_generator_is_the_codes() -> None:
    agree(built(METHOD), stated(1000, nn.Sigmoid(), eps=0.8), normalised=True)


def test_the_student_sees_clean_images_alone() -> None:
    run = opened(shrunk("ta_dfkd", {"views.student": [], "schedule.batch": 16}))
    source: Any = run.source
    drawn: list[Any] = []
    sample = source.sample

    def watched(batch: int, rng: torch.Generator, training: bool) -> Any:
        drawn.append(sample(batch, rng, training))
        return drawn[-1]

    source.sample = watched
    seen = run.memory.draw(source, 16, torch.Generator().manual_seed(0))
    kept = torch.cat([each.images[clean(run.teacher(each.images), 0.5)] for each in drawn])
    assert len(drawn) > 1
    assert torch.equal(seen.images, kept[:16])


@pytest.mark.parametrize("name", ["dfq", "dafl", "fast", "spaceshipnet"])
def test_it_is_a_component_of_other_methods(name: str) -> None:
    """The mask wherever there is an adversary, the filter wherever a memory is fresh or a pool."""
    host = config.load(name)
    changes = {"source_loss.adversarial.clean": 0.5} if "adversarial" in host.source_loss.parts else {}
    changes |= {"memory.clean": 0.5} if hasattr(host.memory, "clean") else {}
    assert bool(changes) is (name != "spaceshipnet")
    run = opened(shrunk(name, changes))
    assert all(abs(value) < float("inf") for epoch in walked(run, 1) for value in epoch.losses.values())
