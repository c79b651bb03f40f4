"""Ctrl-C and what is like it: an interrupted study is not a finished one, and nothing of it is lost."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from dfkd_ray.tune.accidents import Hung
from dfkd_ray.util.store import place_of
from dfkd_ray.util.words import typed

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)  # USR1: what Slurm sends before the end


class Interrupted(KeyboardInterrupt):
    """A study was stopped before its end: by the user, a signal, or an accident, which is the `cause` then.

    Its running trials go on after `dfkd-ray resume`. A KeyboardInterrupt, not a DfkdError: no `except Exception` on the
    way may take it for a trial's failure. The command line prints the message and exits with 130.
    """

    def __init__(self, folder: Path | None = None, cause: str | None = None) -> None:
        self.folder, self.cause = folder, cause
        said = "interrupted" if cause is None else f"the study cannot go on: {cause}\ninterrupted"
        super().__init__(said if folder is None else f"{said}; resume with: dfkd-ray resume {typed(place_of(folder))}")


class Interrupts:
    """While it is entered, the first signal is kept until `check`; the second one raises Interrupted at once.

    What is raised at once may be swallowed on its way, or come out of a library as something else (torch.save says
    "unexpected pos"): so `pending` and `hung` stay, for whoever meets an exception to ask first.
    """

    def __init__(self) -> None:
        self.pending = False
        self.hung = False
        self._at_once = False
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupts:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                    continue  # under `nohup` the user does not want to hear of it
                self._previous[number] = signal.signal(number, self._take)
            self._previous[signal.SIGALRM] = signal.signal(signal.SIGALRM, self._hung)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raise Interrupted if a signal has come: called where stopping leaves nothing half done."""
        if self.pending:
            raise Interrupted()

    @contextmanager
    def at_once(self, seconds: float | None = None) -> Iterator[None]:
        """Within it the first signal raises at once: for a trial's own computation, which survives being killed.

        It raises Hung when it has taken so many seconds; what never leaves a call of a library cannot be ended.
        """
        self.check()
        self._at_once, self.hung = True, False
        if seconds is not None and self._previous:
            signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            yield
        finally:
            self._at_once = False
            if seconds is not None and self._previous:
                signal.setitimer(signal.ITIMER_REAL, 0)

    def _hung(self, number: int, frame: FrameType | None) -> None:
        if self._at_once:
            self.hung = True
            raise Hung("no sign of life")

    def _take(self, number: int, frame: FrameType | None) -> None:
        again, self.pending = self.pending, True
        if self._at_once or again:
            raise Interrupted()
