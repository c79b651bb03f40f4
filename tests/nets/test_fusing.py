"""Where a trial asks, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import nn

from dfkd_ray.nets import fusing
from dfkd_ray.nets.fusing import in_step, passed

CALL = nn.Module.__call__


def test_nobody_is_asked_but_in_the_steps_of_a_thread_that_sits_at_a_desk() -> None:
    class Told:
        def __init__(self) -> None:
            self.asked: list[Any] = []

        def answer(self, ask: Any) -> Any:
            self.asked.append(ask)
            return ask.alone()

    def steps() -> Iterator[int]:
        for number in range(2):
            passed(nn.Linear(2, 1), CALL, torch.ones(3, 2))
            yield number

    desk = Told()
    passed(nn.Linear(2, 1), CALL, torch.ones(3, 2))
    assert list(in_step(steps())) == [0, 1]
    fusing.sit(desk)
    try:
        walk = in_step(steps())
        assert next(walk) == 0
        assert len(desk.asked) == 1
        passed(nn.Linear(2, 1), CALL, torch.ones(3, 2))  # between two steps
        assert len(desk.asked) == 1
        assert list(walk) == [1]
        assert len(desk.asked) == 2
    finally:
        fusing._own.desk = None
