"""What settings have come to, record by record."""

from __future__ import annotations

from typing import Any

import pytest

from dfkd_ray.tune.seeded import Seeded, Settings


def settled(number: int, state: str = "complete", **more: Any) -> dict[str, Any]:
    told = {"reason": None, "rung": None, "values": [0.5], "errors": [0.1], "told": [0.5]}
    return {"trial": number, "state": state, **told, **more}


def test_a_setting_is_open_until_it_settles() -> None:
    known = Settings()
    for number, first in [(0, None), (1, None), (2, 0), (3, 1), (4, 0)]:
        known.asked(number, first)
    assert {number: each.runs for number, each in known.open.items()} == {0: [0, 2, 4], 1: [1, 3]}
    new = known.settled(settled(0))
    assert new is known.all[0]
    assert new == Seeded([0, 2, 4], "complete", None, None, [0.5], [0.1], [0.5])
    assert ([*known.open], known.runs) == ([1], 3)
    with pytest.raises(KeyError):
        known.settled(settled(0))


def test_a_setting_whose_failed_trial_is_run_again_is_open_again() -> None:
    known = Settings()
    known.asked(0, None)
    known.asked(1, 0)
    known.settled(settled(0, "failed", values=None, errors=None, told=None))
    known.reopened(1, 0)
    assert (known.open, known.runs) == ({0: Seeded([0, 1])}, 0)
    known.reopened(0, None)
    assert known.open == {0: Seeded([0, 1])}, "both of its trials may have failed"
    known.reopened(7, None)
    assert [*known.all] == [0], "a sweep with one seed has none"


def test_a_setting_that_is_run_on_is_open_also_where_what_opened_it_is_lost() -> None:
    known = Settings()
    known.asked(0, None)
    known.settled(settled(0, "left"))
    known.asked(1, 0)
    assert (known.open, known.runs) == ({0: Seeded([0, 1])}, 0)
    known.settled(settled(0))
    assert (known.all[0].state, known.runs) == ("complete", 2)


def test_noise_is_told_by_objective_once_two_settings_have_every_seed() -> None:
    known = Settings()
    assert known.noise == []
    known.learn([[1.0, 10.0], [2.0, 10.0]])
    assert known.noise == [None, None]
    known.learn([[1.0, 10.0], [4.0, 10.0]])
    spread, none = known.noise
    assert spread is not None
    assert none is not None
    assert (spread.deviation, spread.free) == (pytest.approx(1.0), 1)  # residuals of 0.5 in each of four cells
    assert none.deviation == 0.0
