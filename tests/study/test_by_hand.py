"""Arms named by hand, as a study file has them, and what they are compared with."""

from __future__ import annotations

from dfkd_ray.study.by_hand import ByHand
from tests.study.parts import differences


def test_arms_by_hand_are_compared_with_the_first() -> None:
    hand = {"baseline": {"a": None}, "both": {}, "half": {"a.b": 1}}
    arms = ByHand().arms((), hand)
    assert [(arm.name, arm.levels, arm.changes) for arm in arms] == [(name, {}, hand[name]) for name in hand]
    assert differences(ByHand().contrasts((), arms)) == [
        ("both against baseline", "both", "baseline"),
        ("half against baseline", "half", "baseline"),
    ]
