"""Ctrl-C: an interrupted study is not a finished one, and nothing of it is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any


class Interrupted(KeyboardInterrupt):
    """The user (or SIGTERM) has stopped a study. Its running trials go on after `dfkd-ray resume`.

    A KeyboardInterrupt, not a DfkdError: no `except Exception` on the way may take it for a trial's failure. The
    command line prints the message and exits with 130.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        super().__init__("interrupted" if folder is None else f"interrupted; resume with: dfkd-ray resume {folder}")


class Interrupts:
    """While it is entered, the first signal is kept until `check`; the second one raises Interrupted at once."""

    def __init__(self) -> None:
        self.pending = False
        self._at_once = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._take)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Interrupted if a signal has come: called where stopping leaves nothing half done."""
        if self.pending:
            raise Interrupted()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within it the first signal raises at once: for a trial's own computation, which survives being killed."""
        self.check()
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._at_once or self.pending:
            raise Interrupted()
        self.pending = True
