"""Parts of a work under Ray: all of them, again where a worker dies, and their own errors as they are."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.study import Resources
from dfkd_ray.tune.ray_setup import environment
from dfkd_ray.util.errors import DataError, StudyError

pytestmark = pytest.mark.ray
SHARE = Resources(cpu=1, gpu=0)


@pytest.fixture(scope="module")
def each() -> Any:
    with environment(None):
        import ray

        from dfkd_ray.tune import ray_cluster, ray_shards

        with ray_cluster.cluster(None, SHARE):
            yield ray_shards.each
        assert not ray.is_initialized()


def test_every_part_is_done_once(each: Any) -> None:
    assert sorted(each(lambda number: number**2, range(1, 6), SHARE)) == [(n, n * n) for n in range(1, 6)]


def test_a_part_whose_worker_is_killed_is_done_again(each: Any, tmp_path: Path) -> None:
    marks = str(tmp_path)

    def dies_once(number: int) -> int:
        mark = Path(marks) / str(number)
        if number == 2 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return number

    assert sorted(each(dies_once, [1, 2], SHARE)) == [(1, 1), (2, 2)]


def test_a_part_that_dies_again_and_again_is_given_up(each: Any) -> None:
    def dies(number: int) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    with pytest.raises(
        StudyError, match=r"^a worker died too often \(killed, or out of memory\?\); the same command goes on$"
    ):
        list(each(dies, [1], SHARE, retries=1))


def test_its_own_error_comes_out_as_it_is(each: Any) -> None:
    def refuses(number: int) -> None:
        raise DataError("another pool")

    with pytest.raises(DataError, match=r"^another pool$"):
        list(each(refuses, [1, 2], SHARE))


def test_a_share_that_does_not_fit(each: Any) -> None:
    with pytest.raises(StudyError, match=r"a trial takes 999 cpu \(resources\), and this machine has \d+ cpu"):
        list(each(lambda number: number, [1], Resources(cpu=999)))


@pytest.mark.parametrize("kind", ["NodeDiedError", "OutOfMemoryError"])
def test_a_part_that_its_node_takes_with_it_is_told(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    import ray
    from ray import exceptions

    from dfkd_ray.tune import ray_shards

    def lost(reference: Any) -> Any:
        raise getattr(exceptions, kind)("the node is gone")

    monkeypatch.setattr(ray, "get", lost)
    with pytest.raises(StudyError, match="a worker died too often"):
        ray_shards._result(None)
