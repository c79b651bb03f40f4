"""How far a long work is: who works says it, and nobody shows it unless a command puts a display in its place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import Protocol, TypeVar

T = TypeVar("T")


class Display(Protocol):
    """Shows one work, from the beginning to the end of its block; what the block gets takes how much is done."""

    def __call__(self, title: str, total: int | None, unit: str) -> AbstractContextManager[Callable[[int], None]]: ...


@contextmanager
def silent(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


_display: ContextVar[Display] = ContextVar("display", default=silent)


def progress(title: str, total: int | None, unit: str) -> AbstractContextManager[Callable[[int], None]]:
    """`with progress("unpacking", 70, "files") as tell: tell(done)`; total None: nobody knows it. unit: "bytes", ..."""
    return _display.get()(title, total, unit)


def each(items: Sequence[T], title: str, unit: str) -> Iterator[T]:
    """The items, one after another; each is told to be done when the next one is asked for."""
    with progress(title, len(items), unit) as tell:
        for done, item in enumerate(items, start=1):
            yield item
            tell(done)


@contextmanager
def displayed(display: Display) -> Iterator[None]:
    """What is said of progress within the block, in this thread, goes to `display`."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)
