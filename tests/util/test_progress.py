from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from dfkd_ray.util.progress import displayed, each, progress


def test_nobody_hears_of_it_but_the_display_of_the_block(capsys: pytest.CaptureFixture[str]) -> None:
    told: list[tuple[str, int | None, str, int]] = []

    @contextmanager
    def display(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        yield lambda done: told.append((title, total, unit, done))

    with progress("before", 2, "files") as tell:
        tell(1)
    with displayed(display), progress("within", None, "files") as tell:
        tell(2)
    with progress("after", 2, "files") as tell:
        tell(3)
    assert told == [("within", None, "files", 2)]
    assert capsys.readouterr() == ("", "")


def test_a_block_that_fails_takes_its_display_with_it() -> None:
    told: list[str] = []

    @contextmanager
    def display(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        told.append(title)
        yield lambda done: None

    with pytest.raises(KeyboardInterrupt), displayed(display):
        raise KeyboardInterrupt
    with progress("after", 1, "files"):
        pass
    assert told == []


def test_each_of_several_things_is_told_when_it_is_done() -> None:
    told: list[object] = []

    @contextmanager
    def display(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        told.append((title, total, unit))
        yield told.append

    with displayed(display):
        for item in each(["a", "b"], "drawing", "charts"):
            told.append(item)
    assert told == [("drawing", 2, "charts"), "a", 1, "b", 2]
