"""Independent parts of one work, each on its own share of a Ray cluster; a part whose worker dies begins again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import ray
from ray.exceptions import RayTaskError, WorkerCrashedError

from dfkd_ray.study import Resources
from dfkd_ray.tune.interrupts import Interrupts
from dfkd_ray.tune.ray_cluster import cluster
from dfkd_ray.tune.ray_setup import fitting
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
) -> Iterator[tuple[int, T]]:
    """do(number) for each, as many at a time as there is room for; yields what each returns, as it ends.

    `do` must be idempotent: a part whose worker was killed is done again, `retries` times. Its own errors are raised
    here. address, insecure: see ray_cluster.cluster. Raises Interrupted on Ctrl-C, when no worker is left running;
    StudyError.
    """
    with cluster(address, share, insecure), Interrupts() as interrupts:
        fitting(ray.cluster_resources(), share)
        task = ray.remote(do).options(num_cpus=share.cpu, num_gpus=share.gpu, max_retries=retries)
        running = {task.remote(number): number for number in numbers}
        with _ended(running):
            while running:
                interrupts.check()
                done, _ = ray.wait(list(running), timeout=_WAIT)
                for reference in done:
                    yield running.pop(reference), _result(reference)


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
    except WorkerCrashedError:
        raise StudyError("a worker died too often (killed, or out of memory?); the same command goes on") from None
