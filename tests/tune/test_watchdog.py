"""Which trials hang, on a clock that the test turns."""

from __future__ import annotations

from dfkd_ray.tune.watchdog import Watchdog


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def dog(factor: float = 3.0, patience: float = 10.0) -> tuple[Watchdog, Clock]:
    clock = Clock()
    return Watchdog(factor, patience, clock), clock


def test_nothing_is_known_before_the_first_epoch() -> None:
    watch, clock = dog()
    watch.began(0)
    clock.now = 1e6
    assert watch.limit is None
    assert not watch.overdue(0)


def test_a_multiple_of_the_slowest_and_never_less_than_its_patience() -> None:
    watch, clock = dog()
    watch.began(0)
    watch.began(1)
    clock.now = 2.0
    watch.reported(0)
    assert watch.limit == 10.0
    clock.now = 12.0
    watch.reported(0)  # ten seconds for an epoch
    assert watch.limit == 30.0
    clock.now = 30.0
    assert not watch.overdue(1)
    clock.now = 30.5
    assert watch.overdue(1)
    assert not watch.overdue(0)
    assert watch.said == (
        "no epoch within 30 s (the longest so far took 10 s), so it is taken to hang: --watchdog says when"
    )
    watch.ended(1)
    assert not watch.overdue(1)


def test_zero_never_barks() -> None:
    watch, clock = dog(factor=0.0)
    watch.began(0)
    clock.now = 5.0
    watch.reported(0)
    clock.now = 1e9
    assert not watch.overdue(0)


def test_one_look_a_second() -> None:
    watch, clock = dog()
    looks = []
    for clock.now in (0.0, 0.5, 0.9, 1.0, 1.1, 2.5):
        looks.append(watch.looks())
    assert looks == [True, False, False, True, False, True]
