"""A value that is computed on first use."""

from __future__ import annotations

import threading

from dfkd_ray.util.once import once


class Counted:
    def __init__(self) -> None:
        self.calls = 0

    @once
    def value(self) -> int:
        """What it is."""
        self.calls += 1
        return self.calls


def test_it_is_computed_once_for_each_instance_and_can_be_forgotten() -> None:
    first, second = Counted(), Counted()
    assert "value" not in first.__dict__
    assert (first.value, first.value, second.value) == (1, 1, 1)
    assert "value" in first.__dict__
    del first.__dict__["value"]
    assert first.value == 2
    assert Counted.value.__doc__ == "What it is."


def test_two_instances_are_computed_at_the_same_time() -> None:
    class Waits:
        @once
        def value(self) -> bool:
            both.wait(timeout=20)  # raises where the other never comes
            return True

    both = threading.Barrier(2)
    found: list[bool] = []
    threads = [threading.Thread(target=lambda: found.append(Waits().value)) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [True, True]
