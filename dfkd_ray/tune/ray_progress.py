"""How far a trial is within its epoch, from its process to the driver: by the small store of keys of Ray's head.

Tune hears of a trial once an epoch, which of a run by itself may be after minutes.
"""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from ray.experimental import internal_kv

from dfkd_ray.util.progress import progress

PACE = 0.5  # seconds between two words, and between two looks


class Teller:
    """A display, see `dfkd_ray.util.progress`, in the trial's process: of one work at a time, the outer one."""

    def __init__(self, key: str) -> None:
        self._key, self._at_work, self._said = key, False, -PACE

    @contextmanager
    def __call__(self, title: str, total: int | None, unit: str) -> Iterator[Callable[[int], None]]:
        if self._at_work:
            yield lambda done: None
            return
        self._at_work = True
        try:
            yield lambda done: self._tell([title, total, unit, done])
        finally:
            self._at_work = False

    def _tell(self, word: list[object]) -> None:
        if time.monotonic() - self._said < PACE:
            return
        self._said = time.monotonic()
        with suppress(Exception):  # a trial does not fail since nobody can see how far it is
            internal_kv._internal_kv_put(self._key, json.dumps(word), overwrite=True)


class Hearer(AbstractContextManager["Hearer"]):
    """The driver's side: what a `Teller` with its `key` says is the driver's own progress, until the block ends."""

    def __init__(self) -> None:
        self.key = f"dfkd-ray-progress-{secrets.token_hex(8)}"
        self._bar, self._work, self._looked = ExitStack(), [""], -PACE
        self._tell: Callable[[int], None] = lambda done: None

    def look(self) -> None:
        """Show what there is to hear."""
        if time.monotonic() - self._looked < PACE:
            return
        self._looked = time.monotonic()
        word = None
        with suppress(Exception):  # nor does the study
            word = internal_kv._internal_kv_get(self.key)
        if word is None:
            return
        *work, done = json.loads(word)
        if work != self._work:
            self._bar.close()
            self._work, self._tell = work, self._bar.enter_context(progress(*work))
        self._tell(done)

    def __exit__(self, *error: object) -> None:
        self._bar.close()
        with suppress(Exception):  # the cluster may be gone
            internal_kv._internal_kv_del(self.key)
