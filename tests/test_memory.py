from __future__ import annotations

import io
from typing import Any

import pytest
import torch

from dfkd_ray.memory import Fresh, LivePool, Pool
from dfkd_ray.slots import Batch, memories


class Counting:
    """A supply whose n-th batch is full of n, and whose labels are n."""

    def __init__(self, labelled: bool = True) -> None:
        self.labelled, self.batches = labelled, 0
        self.trainings: list[bool] = []

    def sample(self, batch: int, rng: torch.Generator, training: bool) -> Batch:
        self.batches += 1
        self.trainings.append(training)
        images = torch.full((batch, 1, 2, 2), float(self.batches))
        return Batch(images, torch.full((batch,), self.batches) if self.labelled else None)


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def through_a_file(state: Any) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("name", list(memories))
@pytest.mark.parametrize("labelled", [True, False])
def test_a_memory_hands_out_batches_and_survives_a_file_between_rounds(name: str, labelled: bool) -> None:
    supply: Any = Counting(labelled)
    first, second = (memories[name]().open() for _ in range(2))
    for _ in range(3):
        first.refill(supply, 4, rng())
        first.draw(supply, 4, rng())
    second.load_state_dict(through_a_file(first.state_dict()))
    other: Any = Counting(labelled)
    other.batches = supply.batches
    for memory, source in ((first, supply), (second, other)):
        memory.refill(source, 4, rng())
    for seed in range(3):
        ours, theirs = first.draw(supply, 4, rng(seed)), second.draw(other, 4, rng(seed))
        assert ours.images.shape == (4, 1, 2, 2)
        assert ours.images.dtype == torch.float32
        assert torch.equal(ours.images, theirs.images)
        assert (ours.labels is None) is (not labelled)
        if ours.labels is not None:
            assert torch.equal(ours.labels.float(), ours.images[:, 0, 0, 0]), "labels stay with their images"
    assert all(supply.trainings), "the student trains on what the source makes in training mode"


def test_fresh_is_a_new_batch_for_each_step() -> None:
    supply: Any = Counting()
    memory = Fresh().open()
    memory.refill(supply, 2, rng())
    assert [memory.draw(supply, 2, rng()).images[0, 0, 0, 0].item() for _ in range(4)] == [1, 2, 3, 4]


def test_reuse_takes_each_batch_some_times_and_never_beyond_a_round() -> None:
    supply: Any = Counting()
    memory = Fresh(reuse=3).open()
    drawn = []
    for _ in range(2):
        memory.refill(supply, 2, rng())
        drawn += [memory.draw(supply, 2, rng()).images[0, 0, 0, 0].item() for _ in range(4)]
    assert drawn == [1, 1, 1, 2, 3, 3, 3, 4]


def kept(pool: LivePool) -> list[int]:
    assert pool.images is not None
    return sorted(pool.images[: pool.size, 0, 0, 0].int().tolist())


def test_a_pool_replaces_the_oldest_first_and_holds_no_more_than_its_capacity() -> None:
    supply: Any = Counting()
    pool = Pool(capacity=5).open()
    held = []
    for _ in range(4):
        pool.refill(supply, 2, rng())
        held.append(kept(pool))
    assert held == [[1, 1], [1, 1, 2, 2], [1, 2, 2, 3, 3], [2, 3, 3, 4, 4]]
    assert pool.images is not None
    assert (pool.images.shape, pool.images.dtype) == ((5, 1, 2, 2), torch.float16)


def test_batches_of_a_round_and_a_batch_that_is_larger_than_the_pool() -> None:
    supply: Any = Counting()
    pool = Pool(capacity=100, batches=3).open()
    pool.refill(supply, 2, rng())
    assert kept(pool) == [1, 1, 2, 2, 3, 3]
    small = Pool(capacity=3).open()
    small.refill(supply, 8, rng())
    assert kept(small) == [4, 4, 4]
    assert small.draw(supply, 8, rng()).images.shape == (8, 1, 2, 2)


def test_a_draw_sees_all_that_is_there_and_nothing_that_is_not() -> None:
    supply: Any = Counting()
    pool = Pool(capacity=1000).open()
    for _ in range(3):
        pool.refill(supply, 2, rng())
    seen = pool.draw(supply, 500, rng()).images
    assert set(seen.flatten().tolist()) == {1.0, 2.0, 3.0}
    assert supply.batches == 3, "a draw makes no images"
    assert torch.equal(pool.draw(supply, 5, rng(7)).images, pool.draw(supply, 5, rng(7)).images)
    assert not torch.equal(pool.draw(supply, 50, rng(7)).images, pool.draw(supply, 50, rng(8)).images)


def test_ranges() -> None:
    with pytest.raises(ValueError, match="reuse must be at least 1, got 0"):
        Fresh(reuse=0)
    for fields in ({"capacity": 0}, {"batches": 0}):
        with pytest.raises(ValueError, match="must be at least 1"):
            Pool(**fields)
