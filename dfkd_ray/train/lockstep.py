"""Several iterators in step with each other: how runs share one process."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from typing import Generic, TypeVar

T = TypeVar("T")


class Lockstep(Generic[T]):
    """Members by number, each opened when the first step is taken; in each step they take turns."""

    def __init__(self, members: Mapping[int, Callable[[], Iterator[T]]]) -> None:
        self._members = {number: _opened(opens) for number, opens in members.items()}

    def step(self) -> dict[int, T | Exception]:
        """The next item of each member; its error where it raised one, StopIteration where it ended: then it is no
        member any more. What is no Exception, an interrupt say, is raised."""
        told: dict[int, T | Exception] = {}
        for number, items in list(self._members.items()):
            try:
                told[number] = next(items)
            except Exception as error:
                told[number] = error
                del self._members[number]
        return told

    def leave(self, member: int) -> None:
        """Close a member, which is none any more."""
        self._members.pop(member).close()

    def close(self) -> None:
        """All leave."""
        for member in list(self._members):
            self.leave(member)


def _opened(opens: Callable[[], Iterator[T]]) -> Generator[T]:
    yield from opens()
