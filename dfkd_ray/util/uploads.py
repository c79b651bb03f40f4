"""What changes in a folder goes to a store, in a thread of its own: the newest state of each file is enough."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from dfkd_ray.util.store import Store

Seen = dict[str, list[int]]  # a file's name -> when it was written (ns), and how large it is


@dataclass
class _Batch:
    """Files by the name that they get, `last` behind all others; `done` is called when they are there."""

    files: dict[str, BinaryIO] = field(default_factory=dict)
    last: dict[str, BinaryIO] = field(default_factory=dict)
    done: Callable[[], None] = lambda: None

    def over(self, earlier: _Batch) -> _Batch:
        """One in place of both: of an earlier `last` nobody has to know any more."""
        _close({name: file for name, file in earlier.files.items() if name in self.files})
        files = earlier.files | self.files
        if not self.last:
            return _Batch(files, earlier.last, earlier.done)
        _close(earlier.last)
        return _Batch(files, self.last, self.done)

    def close(self) -> None:
        _close(self.files | self.last)


class Uploads:
    """The thread. What fails is raised by the next call (StoreError), and what waited then is given up."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._waiting: _Batch | None = None
        self._busy = self._over = False
        self._error: Exception | None = None
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="uploads", daemon=True)
        self._thread.start()

    def offer(
        self, files: Mapping[str, Path], last: Mapping[str, Path] = {}, done: Callable[[], None] = lambda: None
    ) -> None:
        """Files as they are now, by the name that they get; they may be replaced or removed meanwhile.

        last: is written behind all others, or not at all where a newer one is offered before its turn comes.
        """
        new = _Batch(_open(files), _open(last), done)
        with self._changed:
            self._waiting = new if self._waiting is None else new.over(self._waiting)
            self._changed.notify_all()
        self._raise()

    def finish(self) -> None:
        """Wait until all is there."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or not (self._busy or self._waiting))
        self._raise()

    def close(self) -> None:
        """What waits is given up; what is under way is finished."""
        with self._changed:
            self._over = True
            if self._waiting is not None:
                self._waiting.close()
                self._waiting = None
            self._changed.notify_all()
        self._thread.join()

    def _raise(self) -> None:
        with self._changed:
            error, self._error = self._error, None
        if error is not None:
            raise error

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            try:
                for name, file in (*batch.files.items(), *batch.last.items()):
                    self.store.put(name, file)
                batch.done()
            except Exception as error:
                self._error = error
            finally:
                batch.close()

    def _next(self) -> _Batch | None:
        with self._changed:
            self._busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._waiting is not None or self._over)
            batch, self._waiting = self._waiting, None
            self._busy = batch is not None
            return batch


def changed(folder: Path, seen: Seen, skip: Callable[[str], bool]) -> dict[str, Path]:
    """The files of a folder that are others than `seen` says, which is told; not what is hidden or to be skipped."""
    found: dict[str, Path] = {}
    for name in _names(folder):
        if skip(name):
            continue
        try:
            now = written(folder / name)
        except FileNotFoundError:
            continue
        if seen.get(name) != now:
            seen[name], found[name] = now, folder / name
    return found


def written(path: Path) -> list[int]:
    """When a file was written, and how large it is; FileNotFoundError where it is gone."""
    stat = path.stat()
    return [stat.st_mtime_ns, stat.st_size]


def _names(folder: Path) -> Iterable[str]:
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(each for each in folders if not each.startswith("."))
        for file in sorted(files):
            if not file.startswith("."):
                yield Path(place, file).relative_to(folder).as_posix()


def _open(files: Mapping[str, Path]) -> dict[str, BinaryIO]:
    return {name: path.open("rb") for name, path in files.items()}


def _close(files: Mapping[str, BinaryIO]) -> None:
    for file in files.values():
        file.close()
