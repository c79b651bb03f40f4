"""Members in step with each other: what each gives, how it ends, and that nothing of it stays open."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from dfkd_ray.train.lockstep import Lockstep


def counting(
    events: list[str], name: str, items: int, error: BaseException | None = None
) -> Callable[[], Iterator[str]]:
    """Gives so many items, then raises or ends; writes down when it is opened and closed."""

    def gives() -> Iterator[str]:
        events.append(f"{name} opened")
        try:
            for item in range(items):
                yield f"{name}{item}"
            if error is not None:
                raise error
        finally:
            events.append(f"{name} closed")

    return gives


def test_each_step_has_the_next_item_of_every_member_and_how_it_ended() -> None:
    events: list[str] = []
    broken = ValueError("broken")
    members = Lockstep({3: counting(events, "a", 3), 7: counting(events, "b", 1), 8: counting(events, "c", 2, broken)})
    assert events == [], "nothing is opened before the first step"
    assert members.step() == {3: "a0", 7: "b0", 8: "c0"}
    assert sorted(events) == ["a opened", "b opened", "c opened"]
    second = members.step()
    assert isinstance(second.pop(7), StopIteration)
    assert second == {3: "a1", 8: "c1"}
    assert members.step() == {3: "a2", 8: broken}
    (ended,) = members.step().values()
    assert isinstance(ended, StopIteration)
    assert members.step() == {}
    assert sorted(events[3:]) == ["a closed", "b closed", "c closed"]


def test_one_that_cannot_be_opened_is_as_one_that_raises() -> None:
    broken = OSError("no such net")

    def refuses() -> Iterator[str]:
        raise broken

    members = Lockstep({0: refuses, 1: counting([], "a", 1)})
    assert members.step() == {0: broken, 1: "a0"}
    assert set(members.step()) == {1}


def test_one_that_leaves_is_closed_and_the_others_go_on() -> None:
    events: list[str] = []
    members = Lockstep({number: counting(events, name, 9) for number, name in enumerate("abc")})
    members.step()
    members.leave(1)
    assert events[3:] == ["b closed"]
    assert members.step() == {0: "a1", 2: "c1"}
    members.close()
    assert sorted(events[4:]) == ["a closed", "c closed"]
    assert members.step() == {}


def test_what_has_not_begun_is_closed_without_being_opened() -> None:
    events: list[str] = []
    Lockstep({0: counting(events, "a", 1)}).close()
    assert events == []


def test_an_interrupt_comes_out_and_the_others_can_be_closed() -> None:
    events: list[str] = []
    members = Lockstep({0: counting(events, "a", 0, KeyboardInterrupt()), 1: counting(events, "b", 5)})
    with pytest.raises(KeyboardInterrupt):
        members.step()
    members.close()
    assert events.count("a closed") == 1
    assert events.count("b opened") == events.count("b closed")
