"""A stopper that begins too late or too early is told."""

from __future__ import annotations

import pytest

from dfkd_ray.study.specs import Asha, Median, NoStopper, StopperSpec
from dfkd_ray.study.stopping import describe


@pytest.mark.parametrize(
    ("stopper", "epochs", "warmup", "said"),
    [
        (NoStopper(), 9, 5, None),
        (Asha(), 9, 0, None),
        (Asha(grace=5), 9, 4, None),
        (Asha(grace=9), 9, 0, "asha stops nothing: it begins after epoch 9, and a trial has 9 (`grace`)"),
        (Median(grace=4), 2, 1, "median stops nothing: it begins after epoch 4, and a trial has 2 (`grace`)"),
        (
            Asha(grace=4),
            40,
            4,
            "asha begins after epoch 4, when no student has learnt anything (schedule.warmup is 4), and compares by "
            "chance until then: take `grace: 7`",
        ),
        (
            Median(),
            4,
            2,
            "median begins after epoch 1, when no student has learnt anything (schedule.warmup is 2), and compares by "
            "chance until then: take `grace: 3`",
        ),
        (
            Median(),
            4,
            3,
            "median begins after epoch 1, when no student has learnt anything (schedule.warmup is 3), and compares by "
            "chance until then: take `stopper: none`",
        ),
    ],
)
def test_what_a_stopper_that_begins_at_the_wrong_epoch_is_told(
    stopper: StopperSpec, epochs: int, warmup: int, said: str | None
) -> None:
    assert describe(stopper, epochs, warmup) == said
