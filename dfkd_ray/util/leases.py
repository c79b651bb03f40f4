"""A lock in a store, for as long as its owner renews it: whoever dies loses it by saying nothing more.

No two clocks are compared: who finds the lock taken watches it, and takes it over when it has not changed for as long
as it says that it lasts. A dead process of this very machine is known at once.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
import time
import uuid
from pathlib import Path
from typing import Any

from dfkd_ray.util.limits import json_of
from dfkd_ray.util.locks import Taken
from dfkd_ray.util.store import Store, StoreError

NAME = "lock.json"
SECONDS = 60.0  # without a sign of life, after which a lock is nobody's
_RENEWALS = 4  # in that time
_LONGEST = 600.0  # seconds that a lock may last


class Lease:
    """The lock, from when it is made until `release`, which is told to the next one.

    Taken where somebody alive has it, StoreError where the store does not answer. `lost`: another has taken it over,
    since nothing could be renewed for too long.
    """

    def __init__(self, store: Store, seconds: float) -> None:
        self.store, self.seconds, self.lost = store, seconds, False
        self._said = {"holder": f"process {os.getpid()} on {socket.gethostname()}", "pid": os.getpid()}
        self._said |= {"place": _place(), "seconds": seconds, "lease": uuid.uuid4().hex}
        self._renewed = 0
        self._version = self._take()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def release(self) -> None:
        """Let the next one have it at once; where the store does not answer, when it has run out."""
        self._over.set()
        self._thread.join()
        try:
            self.store.put_if(NAME, self._text(free=True), self._version)
        except StoreError:
            return

    def _take(self) -> dict[str, str]:
        version = None if (there := self._there()) is None else self._given_up(*there)
        got = self.store.put_if(NAME, self._text(), version)
        if got is None:  # somebody was quicker
            there = self._there()
            raise Taken("another process" if there is None else there[0]["holder"])
        if self.store.put_if(NAME, b"", None) is not None:
            raise StoreError(
                f"{self.store.url}: this store knows no conditional put, so nothing keeps two studies apart"
            )
        return got

    def _there(self) -> tuple[dict[str, Any], dict[str, str]] | None:
        try:
            data, version = self.store.get(NAME)
        except FileNotFoundError:
            return None
        return _read(data), version

    def _given_up(self, held: dict[str, Any], version: dict[str, str]) -> dict[str, str]:
        """The version of a lock that nobody holds any more; Taken where it is renewed."""
        if held.get("free") or _dead(held):
            return version
        said = f"{held['holder']} has it, and loses it in {held['seconds']:.0f} s if it is dead"
        print(f"{self.store.url}: {said}", file=sys.stderr, flush=True)
        ends = time.monotonic() + held["seconds"]
        while (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, held["seconds"] / _RENEWALS / 4))
            there = self._there()
            if there is None or there[1] != version:
                if there is not None and there[0].get("free"):
                    return there[1]
                raise Taken(held["holder"])
        return version

    def _renew(self) -> None:
        while not self._over.wait(self.seconds / _RENEWALS):
            self._renewed += 1
            try:
                got = self.store.put_if(NAME, self._text(), self._version)
            except StoreError:
                continue  # and who takes it over meanwhile is found out at the next try
            if got is None:
                self.lost = True
                return
            self._version = got

    def _text(self, free: bool = False) -> bytes:
        return json.dumps({**self._said, "renewed": self._renewed, "free": free}).encode()


def holder(store: Store) -> str | None:
    """Who has the lock of a store, `process 12 on host`, as far as one look tells; None where nobody has.

    Who died on another machine stands there until the next one takes it over.
    """
    try:
        held = _read(store.get(NAME)[0])
    except FileNotFoundError:
        return None
    return None if held.get("free") or _dead(held) else str(held["holder"])


def _read(data: bytes) -> dict[str, Any]:
    """What a lock says; of one that cannot be read that somebody has it, for as long as any."""
    nobody = {"holder": "another process", "pid": 0, "place": "", "seconds": SECONDS, "free": False}
    try:
        held = json_of(data)
        fits = all(isinstance(held[key], (int, float) if key == "seconds" else type(nobody[key])) for key in nobody)
    except (ValueError, LookupError, TypeError):
        return nobody
    return held if fits and 0 < held["seconds"] <= _LONGEST else nobody


def _place() -> str:
    """Where process numbers mean the same: this boot of the machine, and this namespace of it."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return ""


def _dead(held: dict[str, Any]) -> bool:
    """Whether a holder was a process here, and is gone."""
    return bool(held["place"]) and held["place"] == _place() and not Path(f"/proc/{held['pid']}").exists()
