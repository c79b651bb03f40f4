from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from dfkd_ray.parts.memories.fresh import TRIES, Fresh
from dfkd_ray.parts.memories.pool import PoolMemory
from dfkd_ray.parts.slots import Batch
from dfkd_ray.util.errors import TrialFailed
from tests.parts.memories.toy_sources import CPU, SETTING, Counting, opened, rng


def test_fresh_is_a_new_batch_for_each_step() -> None:
    source: Any = Counting()
    memory = opened(Fresh())
    memory.refill(source, 2, rng())
    assert [memory.draw(source, 2, rng()).images[0, 0, 0, 0].item() for _ in range(4)] == [1, 2, 3, 4]


def test_reuse_takes_each_batch_some_times_and_never_beyond_a_round() -> None:
    source: Any = Counting()
    memory = opened(Fresh(reuse=3))
    drawn = []
    for _ in range(2):
        memory.refill(source, 2, rng())
        drawn += [memory.draw(source, 2, rng()).images[0, 0, 0, 0].item() for _ in range(4)]
    assert drawn == [1, 1, 1, 2, 3, 3, 3, 4]


class Some(Counting):
    """Of each batch the teacher below is sure of as many images as it was told."""

    def __init__(self, sure: int) -> None:
        super().__init__()
        self.sure = sure

    def sample(self, batch: int, rng: Any, training: bool) -> Batch:
        found = super().sample(batch, rng, training)
        images = found.images.clone()
        images[:, 1] = 0
        images[: self.sure, 1, 0, 0] = 50
        return Batch(images, found.labels)


class ReadsOnePixel(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x[:, 1, 0, :2]


@pytest.mark.parametrize(("sure", "batches"), [(4, 1), (2, 2), (1, 4)])
def test_clean_images_are_drawn_until_there_are_enough(sure: int, batches: int) -> None:
    source: Any = Some(sure)
    memory = Fresh(clean=0.5).open(SETTING, ReadsOnePixel(), CPU)
    seen = memory.draw(source, 4, rng())
    assert (seen.images[:, 1, 0, 0] == 50).all()
    assert seen.labels is not None
    assert torch.equal(seen.labels.float(), seen.images[:, 0, 0, 0])
    assert (len(seen.images), source.batches) == (4, batches)


def test_a_source_that_gives_one_image_again_and_again_ends() -> None:
    source: Any = Some(1)
    memory = Fresh(clean=0.5).open(SETTING, ReadsOnePixel(), CPU)
    seen = memory.draw(source, 64, rng())
    assert (len(seen.images), source.batches) == (64, TRIES)
    assert (seen.images[:, 1, 0, 0] == 50).all()


@pytest.mark.parametrize(("spec", "step"), [(Fresh(clean=0.5), "draw"), (PoolMemory(clean=0.5), "refill")], ids=repr)
def test_a_source_that_diverged_fails_the_trial(spec: Any, step: str) -> None:
    class Diverged(Counting):
        def sample(self, batch: int, rng: Any, training: bool) -> Batch:
            found = super().sample(batch, rng, training)
            return found._replace(images=found.images * torch.nan)

    source: Any = Diverged()
    memory = spec.open(SETTING, ReadsOnePixel(), CPU)
    with pytest.raises(TrialFailed, match="not finite: what the teacher says of the source's images"):
        getattr(memory, step)(source, 4, rng())


def test_ranges() -> None:
    with pytest.raises(ValueError, match="reuse must be at least 1, got 0"):
        Fresh(reuse=0)
    with pytest.raises(ValueError, match=r"clean must be in \[0, 1\), got 1"):
        Fresh(clean=1)
