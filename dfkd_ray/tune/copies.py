"""The copy on this disk of a study in a store: brought up to date, and put there, but for the folders of its trials.

The ledger is in the store as numbered objects, which tune/mirror.py puts there; all other files are as they are here.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from dfkd_ray.tune.pictures import FOLDER as PICTURES
from dfkd_ray.util import folders, store
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.limits import read_json
from dfkd_ray.util.sealed import is_sound, seal_json
from dfkd_ray.util.store import Store
from dfkd_ray.util.uploads import Seen, changed, written

LEDGER = "ledger.jsonl"
PARTS = "ledger"
_PUSHED = "store.pushed"  # which files are there already
_AT_ONCE = 16


def pull(folder: Path, there: Store) -> int:
    """Bring the ledger, and the other files that are missing here, from the store; the size of the ledger there.

    A ledger here that says something else, and not only less or more, is set aside, and that is said. StudyError where
    a part is lost there.
    """
    names, path = there.names(), folder / LEDGER
    parts = [name for name in names if name.startswith(f"{PARTS}/")]
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
        say(f"{there.url} has gone on without {folder}: what that had is kept in {aside}")
    with atomic_write(path) as file:
        file.write(ledger)
    return len(ledger)


def refresh(folder: Path) -> None:
    """`pull` where a folder is a copy: for who looks into a study without running it."""
    if (there := store.of(folder)) is not None:
        pull(folder, there)


def bring_home(folder: Path, there: Store, number: int) -> None:
    """Bring the folder of a trial that has ended, its students and its card, as far as it is not here."""
    home = folders.of_trial(folder, number)
    held = there.at(home.relative_to(folder).as_posix())
    for name in held.names():
        if not (name.startswith("checkpoint") or (home / name).exists()):
            held.fetch(name, home / name)


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


def say(what: str) -> None:
    """A warning."""
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
    return top in (folders.TRIALS, PARTS) if below else top.startswith(("ledger.", "store.", "lock."))


def part_of(start: int) -> str:
    """How the part of the ledger is called that begins with this byte."""
    return f"{PARTS}/{start:012d}.jsonl"


def _joined(there: Store, names: Iterable[str], parts: Iterable[bytes]) -> Iterator[bytes]:
    size = 0
    for name, part in zip(names, parts):
        if name != part_of(size):
            raise StudyError(f"{there.url}/{part_of(size)}: this part of the ledger is lost; take it from a copy")
        yield part
        size += len(part)
