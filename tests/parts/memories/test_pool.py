from __future__ import annotations

import io
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.memories.pool import LivePoolMemory, PoolMemory
from tests.parts.memories.toy_sources import CPU, IMAGE, SETTING, Counting, opened, rng


def kept(pool: LivePoolMemory) -> list[int]:
    assert pool.images is not None
    return sorted(pool.images[: pool.size, 0, 0, 0].int().tolist())


def test_a_pool_replaces_the_oldest_first_and_holds_no_more_than_its_capacity() -> None:
    source: Any = Counting()
    pool = opened(PoolMemory(capacity=5))
    held = []
    for _ in range(4):
        pool.refill(source, 2, rng())
        held.append(kept(pool))
    assert held == [[1, 1], [1, 1, 2, 2], [1, 2, 2, 3, 3], [2, 3, 3, 4, 4]]
    assert (pool.images.shape, pool.images.dtype) == ((5, *IMAGE), torch.float16)


def test_batches_of_a_round_and_a_batch_that_is_larger_than_the_pool() -> None:
    source: Any = Counting()
    pool = opened(PoolMemory(capacity=100, batches=3))
    pool.refill(source, 2, rng())
    assert kept(pool) == [1, 1, 2, 2, 3, 3]
    small = opened(PoolMemory(capacity=3))
    small.refill(source, 8, rng())
    assert kept(small) == [4, 4, 4]
    assert small.draw(source, 8, rng()).images.shape == (8, *IMAGE)


def test_a_draw_sees_all_that_is_there_and_nothing_that_is_not() -> None:
    source: Any = Counting()
    pool = opened(PoolMemory(capacity=1000))
    for _ in range(3):
        pool.refill(source, 2, rng())
    seen = pool.draw(source, 500, rng()).images
    assert set(seen.flatten().tolist()) == {1.0, 2.0, 3.0}
    assert source.batches == 3, "a draw makes no images"
    assert torch.equal(pool.draw(source, 5, rng(7)).images, pool.draw(source, 5, rng(7)).images)
    assert not torch.equal(pool.draw(source, 50, rng(7)).images, pool.draw(source, 50, rng(8)).images)


def test_only_clean_images_may_enter() -> None:
    """A batch of three of which the teacher is sure, and one of which it is not."""

    class Unsure(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.stack([9 * (torch.arange(len(x)) < 3), torch.zeros(len(x))], 1) + 0 * x[:, 0, 0, :2]

    source: Any = Counting()
    pool = PoolMemory(capacity=8, clean=0.5).open(SETTING, Unsure(), CPU)
    for _ in range(2):
        pool.refill(source, 4, rng())
    assert kept(pool) == [1, 1, 1, 2, 2, 2]
    assert pool.labels is not None
    assert sorted(pool.labels[:6].tolist()) == [1, 1, 1, 2, 2, 2]
    with pytest.raises(ValueError, match=r"clean must be in \[0, 1\), got -0.1"):
        PoolMemory(clean=-0.1)


def test_a_checkpoint_holds_what_is_in_the_pool_and_the_rest_has_room_again() -> None:
    source: Any = Counting()
    pool = opened(PoolMemory(capacity=10_000))
    pool.refill(source, 2, rng())
    file = io.BytesIO()
    torch.save(pool.state_dict(), file)
    assert file.tell() < 100_000 < pool.images.nbytes
    again = opened(PoolMemory(capacity=10_000))
    file.seek(0)
    again.load_state_dict(torch.load(file, weights_only=True))
    for each in (pool, again):
        each.add(torch.full((3, *IMAGE), 9.0), None)
    assert kept(again) == kept(pool) == [1, 1, 9, 9, 9]
    assert torch.equal(again.draw(source, 50, rng(3)).images, pool.draw(source, 50, rng(3)).images)


def test_ranges() -> None:
    for fields in ({"capacity": 0}, {"batches": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            PoolMemory(**fields)
