"""What `verify` finds, and what it does not mind."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import torch

from dfkd_ray.datasets.pools import Pool
from dfkd_ray.datasets.pools.pictures import encode
from dfkd_ray.datasets.pools.verify import complete, verify
from tests.datasets.pools.made import changed, fill, rewrite, starts

COUNT = 10


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    return fill(tmp_path, COUNT)


def test_nothing_is_wrong_with_a_whole_pool(pool: Pool) -> None:
    report = verify(pool)
    assert (report.trajectories, report.images, report.broken, report.noted) == (10, 40, [], [])
    assert report.classes == Counter(dict.fromkeys(range(5), 8))
    assert complete(pool) == [True, True]


def test_a_torn_tail_and_a_shard_behind_the_others_are_no_damage(pool: Pool) -> None:
    path, seventh = pool.path(2), starts(pool.path(2))[3]
    path.write_bytes(path.read_bytes()[: seventh + 100])
    report = verify(pool)
    assert (report.trajectories, report.broken) == (8, [])
    assert report.noted == [
        "shard-2-of-2.arrows: 1 trajectory behind the other shards; the same `dfkd-ray synthesize` goes on",
        "shard-2-of-2.arrows: ends in 100 bytes of a trajectory that was not finished; whoever writes on cuts them off",
    ]
    assert complete(pool) == [True, False]


def test_a_shard_that_is_lost_is_told(pool: Pool) -> None:
    pool.path(1).unlink()
    report = verify(pool)
    assert (report.trajectories, report.broken) == (5, [])
    said = "shard-1-of-2.arrows: 5 trajectories behind the other shards; the same `dfkd-ray synthesize` goes on"
    assert report.noted == [said]


def test_files_of_another_pool_are_told(pool: Pool) -> None:
    (pool.folder / "shard-1-of-3.arrows").write_bytes(b"")
    (pool.folder / "shard-1-of-2.student.pt").write_bytes(b"")
    report = verify(pool)
    assert report.broken == []
    assert report.noted == ["shard-1-of-3.arrows: no shard of this pool, nobody reads it"]


def test_gaps_and_what_is_twice_there(pool: Pool) -> None:
    zero, _, four, six, eight = pool.held(1).batches
    rewrite(pool.path(1), [zero, zero, eight, four])
    rewrite(pool.path(2), [*pool.held(2).batches, six])
    report = verify(pool)
    assert report.broken == [
        "shard-1-of-2.arrows: twice there: trajectory 0",
        "shard-1-of-2.arrows: not there, but later ones: trajectory 2, 6",
        "shard-2-of-2.arrows: of another shard: trajectory 6",
    ]


def test_images_that_are_none_or_of_another_size_or_class(pool: Pool) -> None:
    one, three, *rest = pool.held(2).batches
    images = one.column("image").to_pylist()
    small = encode(torch.zeros(3, 8, 4, dtype=torch.uint8), "png")
    bad = changed(one, image=[images[0][:30], small, *images[2:]], label=[1, 1, 2, 4])
    rewrite(pool.path(2), [bad, three.slice(0, 3), *rest])
    what = "shard-2-of-2.arrows: trajectory"
    first, *others = verify(pool).broken
    assert first == f"{what} 1: asks for class 1, and has images of 2, 4"
    assert others[0].startswith(f"{what} 1: image 0 cannot be decoded: ")
    assert others[1:] == [f"{what} 1: image 1 is 4x8, not 16x16", f"{what} 3: has 3 images, not 4"]


def test_images_that_are_there_twice(pool: Pool) -> None:
    zero, two, *rest = pool.held(1).batches
    images = two.column("image").to_pylist()
    copied = zero.column("image").to_pylist()[3]
    rewrite(pool.path(1), [zero, changed(two, image=[copied, *images[1:]]), *rest])
    report = verify(pool)
    assert report.broken == []
    assert report.noted == ["shard-1-of-2.arrows: trajectory 2: image 0 is the same as image 3 of trajectory 0"]


def test_a_damaged_shard_is_named_and_the_others_are_read(pool: Pool) -> None:
    data, start = bytearray(pool.path(1).read_bytes()), starts(pool.path(1))[2]
    data[start : start + 8] = b"\0" * 8
    pool.path(1).write_bytes(data)
    report = verify(pool)
    assert report.trajectories == 5, "of the other shard"
    (said,) = report.broken
    assert said.startswith(f"{pool.path(1)}: damaged at byte {start} (after trajectory 2), with sound trajectories ")
