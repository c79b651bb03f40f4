"""A trial that reserves several GPUs has a process for each of them, in the actor that Ray Tune gave it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.distributed as dist

from dfkd_ray.nets.sharing import Ranks
from dfkd_ray.study import Resources
from dfkd_ray.train.processes import together
from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util import tables
from tests.tune import toys
from tests.tune.holder import Holder

pytestmark = pytest.mark.ray


def rows(last: int, ranks: Ranks, device: str) -> Iterator[Row]:
    for epoch in range(1, last + 1):
        total = torch.tensor(float(ranks.own + 1))
        dist.all_reduce(total)
        yield Row(
            epoch, float(epoch), {"val_accuracy": float(total)}, last=epoch == last, device=f"{ranks.count} {device}"
        )


@dataclass(frozen=True)
class Shared(toys.Toy):
    """Adds up what each rank brings."""

    def epochs(self, job: Job) -> Iterator[Row]:
        yield from together(job.ranks, partial(rows, self.max_epochs))


def test_a_trial_computes_on_all_gpus_that_it_reserves(tmp_path: Path) -> None:
    made = toys.study({"stopper: {name: asha, grace: 1, reduction: 2}": "stopper: none"})
    made = replace(made, budget=replace(made.budget, trials=2), resources=Resources(cpu=1, gpu=2))
    with Holder() as holder:
        holder.add("gpus", num_cpus=1, num_gpus=2)
        toys.start(made, Shared(2), tmp_path / "out", runner="ray", address=holder.address)
    trials = tables.read(tmp_path / "out" / "trials.arrow").to_pylist()
    assert [(each["state"], each["device"]) for each in trials] == [("complete", "2 cpu")] * 2
    steps = tables.read(tmp_path / "out" / "steps.arrow").to_pylist()
    assert {each["value"] for each in steps} == {3.0}
