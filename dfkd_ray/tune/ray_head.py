"""Watches the head of a Ray cluster: when it is dead, Ray waits a minute without a word and then ends the process.

And until then it may be deaf to signals. So a thread asks the head's port; when nobody has answered for a while, the
study is interrupted as by Ctrl-C, and where that does not come through, left from here. Imports no Ray itself.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

PATIENCE = 9.0  # seconds without an answer: time to be started again, and far less than the 60 that Ray waits
LOOK = 1.0  # seconds between two looks, and for an answer
GRACE = 2.0  # seconds for the main thread to leave, each time that it is asked to


class Head:
    """`with Head(address, leave):`; `lost` within and after it: why the head was given up, None while it lives.

    leave: called from the thread when the main thread hangs in Ray: it saves what there is to save, and returns the
    line that says how to go on; the process ends with exit code 130.
    """

    def __init__(self, address: str, leave: Callable[[], str], patience: float = PATIENCE, look: float = LOOK) -> None:
        host, _, port = address.rpartition(":")
        self.address, self._at = address, (host.strip("[]"), int(port))
        self.lost: str | None = None
        self._leave, self._patience, self._look = leave, patience, look
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="head of the cluster", daemon=True)

    def __enter__(self) -> Head:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()

    def _watch(self) -> None:
        heard = time.monotonic()
        while not self._over.wait(self._look):
            why = self._silence()
            if why is None:
                heard = time.monotonic()
            elif time.monotonic() - heard > self._patience:
                self._give_up(why)
                return

    def _silence(self) -> str | None:
        """Why the head does not answer, None if it does."""
        try:
            socket.create_connection(self._at, timeout=self._look).close()
        except OSError as error:
            return error.strerror or str(error)
        return None

    def _give_up(self, why: str) -> None:
        self.lost = f"the head of the Ray cluster at {self.address} is dead ({why})"
        print(f"{self.lost}: the study is interrupted", file=sys.stderr, flush=True)
        for _ in range(2):  # the first is kept for a good moment, the second raises at once
            os.kill(os.getpid(), signal.SIGINT)
            if self._over.wait(GRACE):
                return
        line = self._leave()
        sys.stdout.flush()
        print(line, file=sys.stderr, flush=True)
        os._exit(130)
