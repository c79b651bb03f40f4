from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.parts.memories.fresh import Fresh
from tests.parts.memories.toy_sources import Counting, opened, rng


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


def test_ranges() -> None:
    with pytest.raises(ValueError, match="reuse must be at least 1, got 0"):
        Fresh(reuse=0)
