"""Independent parts of one work, each on its own share of a Ray cluster; a part whose worker dies begins again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import ray
from ray.exceptions import NodeDiedError, OutOfMemoryError, RayTaskError, WorkerCrashedError

from dfkd_ray.study import Resources
from dfkd_ray.tune.interrupts import Interrupts
from dfkd_ray.tune.ray_cluster import cluster, room
from dfkd_ray.tune.room import demand
from dfkd_ray.util.errors import StudyError

T = TypeVar("T")
_WAIT = 0.5  # seconds between two looks at Ctrl-C


def each(
    do: Callable[[int], T],
    numbers: Iterable[int],
    share: Resources,
    address: str | None = None,
    insecure: bool = False,
    retries: int = 2,
    wait: float | None = None,
    device: str | None = None,
) -> Iterator[tuple[int, T]]:
    """do(number) for each, as many at a time as there is room for; yields what each returns, as it ends.

    `do` must be idempotent: a part whose worker was killed is done again, `retries` times. Its own errors are raised
    here. address, insecure: see ray_cluster.cluster; wait, device: see ray_cluster.room. Raises
    Interrupted on Ctrl-C, when no worker is left running; StudyError.
    """
    with cluster(address, share, insecure), Interrupts() as interrupts:
        there = room(share, address, wait, device)
        task = ray.remote(do).options(**_asked(there.share), max_retries=retries)
        running = {task.remote(number): number for number in numbers}
        with _ended(running):
            while running:
                interrupts.check()
                there.look()
                done, _ = ray.wait(list(running), timeout=_WAIT)
                for reference in done:
                    yield running.pop(reference), _result(reference)


def _asked(share: Resources) -> dict[str, Any]:
    """What a part takes, as Ray's options of a task."""
    asks = demand(share)
    own = {"num_cpus": asks.pop("CPU"), "num_gpus": asks.pop("GPU", 0), "memory": asks.pop("memory", None)}
    return {**own, "resources": asks}


@contextmanager
def _ended(running: dict[Any, int]) -> Iterator[None]:
    """Whoever leaves the block early ends what is still running."""
    try:
        yield
    finally:
        for reference in running:
            ray.cancel(reference, force=True)


def _result(reference: Any) -> Any:
    try:
        return ray.get(reference)
    except RayTaskError as error:
        raise error.cause from None
    except (WorkerCrashedError, OutOfMemoryError, NodeDiedError):
        raise StudyError("a worker died too often (killed, or out of memory?); the same command goes on") from None
