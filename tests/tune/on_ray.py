"""Works for the tests under Ray, in a module that its workers import without pytest."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from dfkd_ray.tune.work import Job, Row
from dfkd_ray.util.progress import progress
from tests.tune import toys

if TYPE_CHECKING:
    from dfkd_ray.nets.sharing import Ranks  # with torch, which only some of their processes need


@dataclass(frozen=True)
class Various(toys.Toy):
    """A toy of its own for some trials; the others are like this one."""

    of: Mapping[int, toys.Toy] = field(default_factory=dict)

    def epochs(self, job: Job) -> Iterator[Row]:
        own = self.of.get(job.trial)
        yield from super().epochs(job) if own is None else own.epochs(job)


@dataclass(frozen=True)
class Slow(toys.Toy):
    """Each epoch waits, after it has said where it is, until somebody has had the time to see it."""

    def epochs(self, job: Job) -> Iterator[Row]:
        with progress("rounds", 40, "rounds") as tell:
            for number, row in enumerate(super().epochs(job)):
                tell(10 * number + 5)
                time.sleep(1.5)
                yield row


@dataclass(frozen=True)
class Shared(toys.Toy):
    """Adds up what each rank brings."""

    def epochs(self, job: Job) -> Iterator[Row]:
        from dfkd_ray.train.processes import together

        yield from together(job.ranks, partial(_summed, self.max_epochs))


def _summed(last: int, ranks: Ranks, device: str) -> Iterator[Row]:
    import torch
    import torch.distributed as dist

    for epoch in range(1, last + 1):
        total = torch.tensor(float(ranks.own + 1))
        dist.all_reduce(total)
        yield Row(
            epoch, float(epoch), {"val_accuracy": float(total)}, last=epoch == last, device=f"{ranks.count} {device}"
        )
