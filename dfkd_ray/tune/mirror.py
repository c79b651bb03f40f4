"""The study's folder in a store, behind the one on this disk: the ledger as numbered objects, and all other files.

The ledger is written here first. A thread puts what is new in it as an object that is called by the place of its first
byte, `ledger/000000001234.jsonl`, and only if there is none yet: of two processes that write one study, whatever their
lock says, the second is told. Folders of trials are not mirrored: who runs a trial writes its folder itself.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path

from dfkd_ray.tune.copies import LEDGER, PARTS, Published, part_of, pull, say
from dfkd_ray.util import leases
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.locks import Taken
from dfkd_ray.util.store import Store

_PART = 16 << 20  # bytes of an object at most, and at least a record
_PAUSE = 1.0  # seconds between two objects of the ledger
_FILES = 60.0  # seconds between two looks at all other files


class Mirror:
    """Of a folder, which nobody else may write meanwhile: the lock in the store is held until `close`.

    The ledger here is brought to what the store has before anything else; what it has more stays, and is put there.
    StudyError where another process has the study.
    """

    def __init__(self, folder: Path, there: Store) -> None:
        self.folder, self.store = folder, there
        try:
            self._lease = leases.Lease(there, leases.SECONDS)
        except Taken as holder:
            raise StudyError(f"{there.url}: this study is being run already by {holder}") from None
        self._size = 0  # bytes of the ledger that may be put
        self._pictures: list[str] = []  # to be put before it
        self._files = Published(folder, there)
        self._error: Exception | None = None
        self._later: list[Callable[[], None]] = []
        self._woken, self._wanted, self._over = threading.Condition(), False, False
        try:
            self._done = pull(folder, there)
        except BaseException:
            self._lease.release()
            raise
        self._thread = threading.Thread(target=self._run, name="mirror", daemon=True)
        self._thread.start()

    def place(self, path: Path) -> str:
        """Where the store has what has this path here, as a URI."""
        return f"{self.store.url}/{path.relative_to(self.folder.resolve()).as_posix()}"

    def grown(self, size: int, pictures: Iterable[str] = ()) -> None:
        """The ledger has so many bytes, and new records name these files. StudyError where somebody else writes it."""
        self.check()
        with self._woken:
            self._size = size
            self._pictures += pictures

    def later(self, act: Callable[[], None]) -> None:
        """To be done when the ledger is there as it is now: what follows from it may not come first."""
        with self._woken:
            self._later.append(act)

    def settle(self) -> None:
        """Wait until the ledger is there as it is now; StoreError where that cannot be."""
        with self._woken:
            if isinstance(self._error, OSError):
                self._error = None
            self._wanted = True
            self._woken.notify_all()
            self._woken.wait_for(lambda: self._error is not None or self._done >= self._size)
        self.check()
        if self._error is not None:
            raise self._error

    def check(self) -> None:
        """StudyError where somebody else writes the study as well."""
        if self._lease.lost:
            raise StudyError(f"{self.store.url}: another process has taken this study over")
        if isinstance(self._error, StudyError):
            raise self._error

    def clear(self) -> None:
        """The ledger begins anew, of which there is a first record at most."""
        with self._woken:
            self.store.remove(f"{PARTS}/{name}" for name in self.store.at(PARTS).names())
            self._done = self._size = 0

    def close(self) -> None:
        """All that is in the folder goes there, and the lock is given back; what cannot be is said."""
        try:
            self.settle()
            self._files.publish()
        except (OSError, StudyError) as error:
            say(f"{error}; {self.folder} has it all, and resume puts it there")
        finally:
            with self._woken:
                self._over = True
                self._woken.notify_all()
            self._thread.join()
            self._lease.release()

    def _run(self) -> None:
        looked = time.monotonic()
        while not self._over:
            try:
                self._wanted = False
                self._put()
                if time.monotonic() - looked > _FILES:
                    looked = time.monotonic()
                    self._files.publish()
                if isinstance(self._error, OSError):
                    self._error = None
            except Exception as error:
                if self._error is None:
                    say(f"{error}; the study goes on, and puts it there later")
                self._error = error
            with self._woken:
                self._woken.notify_all()
                self._woken.wait_for(lambda: self._wanted or self._over, _PAUSE)

    def _put(self) -> None:
        with self._woken:
            size, pictures = self._size, self._pictures[:]
        self._files.put(pictures)
        del self._pictures[: len(pictures)]
        while self._done < size:
            with (self.folder / LEDGER).open("rb") as file:
                file.seek(self._done)
                data = file.read(min(size - self._done, _PART))
            data = data[: data.rindex(b"\n") + 1]
            name = part_of(self._done)
            if self.store.put_if(name, data, None) is None:
                raise StudyError(f"{self.store.url}/{name}: another process writes this study as well")
            self._done += len(data)
        with self._woken:
            self._woken.notify_all()
            acts, self._later = self._later, []
        for act in acts:
            try:
                act()
            except OSError as error:
                say(f"{error}; it stays as it is until the next session")
