"""MAD, as far as second-hand sources tell."""

from __future__ import annotations

from typing import Any

import torch

from dfkd_ray.methods import config
from dfkd_ray.parts.memories.fresh import Fresh
from dfkd_ray.parts.sources.average import Ema
from dfkd_ray.parts.sources.conditions import Sum
from tests.tiny import differing, opened, shrunk, walked

METHOD = config.load("mad")


def test_what_the_summaries_state_is_what_stands() -> None:
    assert (METHOD.source.condition, METHOD.source.labels) == (Sum(), "uniform")
    assert METHOD.source.ema == Ema(decay=0.95, share=0.5)
    assert set(METHOD.source_loss.parts) == {"adversarial", "onehot"}, "no regulariser of a norm: of which is not known"
    assert METHOD.source_loss.parts["adversarial"].term.divergence == "kl"
    assert set(METHOD.student_loss.parts) == {"kd"}
    assert METHOD.memory == Fresh(), "no pool"
    plan = METHOD.schedule
    assert (plan.source_steps, plan.student_steps) == (1, 5)


def test_half_of_what_the_student_sees_is_the_averages() -> None:
    run = opened(shrunk("mad"))
    source: Any = run.source
    given: dict[str, list[int]] = {"own": [], "average": []}
    for name, net in (("own", source.net), ("average", source.average.net)):
        net.register_forward_hook(
            lambda module, args, images, name=name: (
                given[name].append(len(images)) if not images.requires_grad else None
            )
        )
    list(walked(run))
    plan = run.method.schedule
    steps = plan.epochs * plan.rounds * plan.student_steps
    assert given == {"own": [plan.batch // 2] * steps, "average": [plan.batch // 2] * steps}


def test_the_average_lags_behind() -> None:
    run = opened(shrunk("mad"))
    source: Any = run.source
    first = {name: p.detach().clone() for name, p in source.net.named_parameters()}
    list(walked(run))
    now, average = dict(source.net.named_parameters()), dict(source.average.net.named_parameters())
    assert differing(now, first)
    assert differing(average, first)
    for name in now:
        assert torch.dist(average[name], first[name]) <= torch.dist(now[name], first[name]) + 1e-6
