"""The study's folder in a store, behind the one on this disk: the ledger as numbered objects, and all other files.

The ledger is written here first. A thread puts what is new in it as an object that is called by the place of its first
byte, `ledger/000000001234.jsonl`, and only if there is none yet: of two processes that write one study, whatever their
lock says, the second is told. Folders of trials are not mirrored: who runs a trial writes its folder itself.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from dfkd_ray.tune.pictures import FOLDER as PICTURES
from dfkd_ray.util import folders, leases, store
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.limits import read_json
from dfkd_ray.util.locks import Taken
from dfkd_ray.util.sealed import is_sound, seal_json
from dfkd_ray.util.store import Store
from dfkd_ray.util.uploads import Seen, changed, written

LEDGER = "ledger.jsonl"
_PARTS = "ledger"
_PART = 16 << 20  # bytes of an object at most, and at least a record
_PAUSE = 1.0  # seconds between two objects of the ledger
_FILES = 60.0  # seconds between two looks at all other files
_PUSHED = "store.pushed"  # which of them are there already
_AT_ONCE = 16


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
            self.store.remove(f"{_PARTS}/{name}" for name in self.store.at(_PARTS).names())
            self._done = self._size = 0

    def close(self) -> None:
        """All that is in the folder goes there, and the lock is given back; what cannot be is said."""
        try:
            self.settle()
            self._files.publish()
        except (OSError, StudyError) as error:
            _say(f"{error}; {self.folder} has it all, and resume puts it there")
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
                    _say(f"{error}; the study goes on, and puts it there later")
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
            name = _part(self._done)
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
                _say(f"{error}; it stays as it is until the next session")


def pull(folder: Path, there: Store) -> int:
    """Bring the ledger, and the other files that are missing here, from the store; the size of the ledger there.

    A ledger here that says something else, and not only less or more, is set aside, and that is said. StudyError where
    a part is lost there.
    """
    names, path = there.names(), folder / LEDGER
    parts = [name for name in names if name.startswith(f"{_PARTS}/")]
    here = path.read_bytes() if path.exists() else b""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        ledger = b"".join(_joined(there, parts, pool.map(lambda name: there.get(name)[0], parts)))
        newest = here.startswith(ledger)  # else another machine has gone on, and its files are the newer ones
        known = {name for name in names if (folder / name).exists() and (newest or name.startswith(f"{PICTURES}/"))}
        wanted = [name for name in names if not _left_out(name) and name not in known]
        list(pool.map(lambda name: there.fetch(name, folder / name), wanted))
    if newest:
        return len(ledger)
    if not ledger.startswith(here):
        count = next(i for i in range(1, 10_000) if not (folder / f"ledger.local-{i}.jsonl").exists())
        aside = path.rename(folder / f"ledger.local-{count}.jsonl")
        _say(f"{there.url} has gone on without {folder}: what that had is kept in {aside}")
    with atomic_write(path) as file:
        file.write(ledger)
    return len(ledger)


class Published:
    """All that is in a study's folder beside its ledger and the folders of its trials, as far as the store has it."""

    def __init__(self, folder: Path, there: Store) -> None:
        self.folder, self.store, self._memory = folder, there, folder / _PUSHED
        self._seen = _seen(self._memory)
        self._lock = threading.Lock()

    def put(self, names: Iterable[str]) -> None:
        """Put some that are new."""
        with self._lock:
            for name in names:
                with suppress(FileNotFoundError), (self.folder / name).open("rb") as file:
                    self.store.put(name, file)
                    self._seen[name] = written(self.folder / name)

    def publish(self) -> None:
        """Put all that have changed."""
        with self._lock:
            for name, path in changed(self.folder, self._seen, _left_out).items():
                with suppress(FileNotFoundError), path.open("rb") as file:
                    self.store.put(name, file)
            with atomic_write(self._memory) as memory:
                memory.write(seal_json(dict(self._seen)))


def publish(folder: Path) -> None:
    """Put what has changed in a study's folder into the store that it is the copy of; nothing where it is none."""
    if (there := store.of(folder)) is not None:
        Published(folder, there).publish()


def _say(what: str) -> None:
    print(f"warning: {what}", file=sys.stderr, flush=True)


def _seen(memory: Path) -> Seen:
    """What is there already; nothing where that cannot be read, and then all is put again."""
    try:
        found = read_json(memory) if is_sound(memory) else {}
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _left_out(name: str) -> bool:
    """Whether a file of a study's folder is not simply the same here and there."""
    top, _, below = name.partition("/")
    return top in (folders.TRIALS, _PARTS) if below else top.startswith(("ledger.", "store.", "lock."))


def _part(start: int) -> str:
    return f"{_PARTS}/{start:012d}.jsonl"


def _joined(there: Store, names: Iterable[str], parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for name, part in zip(names, parts):
        if name != _part(size):
            raise StudyError(f"{there.url}/{_part(size)}: this part of the ledger is lost; take it from a copy")
        yield part
        size += len(part)
