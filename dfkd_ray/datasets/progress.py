"""How far a long work on files is: a plain line on a terminal; the commands put a bar in its place."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

_SLOW = 2.0  # seconds without a word
_PAUSE = 0.1  # seconds between two words


class Telling(Protocol):
    """`with telling("what is done", total, "files") as tell: tell(done)`; total None: nobody knows it."""

    def __call__(self, title: str, total: int | None, unit: str) -> AbstractContextManager[Callable[[int], None]]: ...


@contextmanager
def telling(title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
    """On a terminal, how much is done, once it takes long; nothing elsewhere."""
    began, told = time.monotonic(), 0.0
    of = "" if total is None else f" of {total:,}"

    def tell(done: int) -> None:
        nonlocal told
        now = time.monotonic()
        if sys.stderr.isatty() and now - began > _SLOW and (now - told > _PAUSE or done == total):
            told = now
            print(f"\r{title}: {done:,}{of} {unit}", end="", file=sys.stderr, flush=True)

    try:
        yield tell
    finally:
        if told:
            print(file=sys.stderr)
