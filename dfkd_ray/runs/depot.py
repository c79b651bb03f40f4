"""A trial's folder in a store, and the scratch folder of this node that stands in for it while the trial runs.

In the store each checkpoint is an object of its own, `checkpoint-000012.pt` after epoch 12, and the two newest stay.
They are uploaded in a thread while the next epochs run, so a trial may have reported more than its newest checkpoint
there holds, and then reports that again. What the last epoch leaves is there before that is reported.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from threading import Lock

from dfkd_ray.util.folders import CARD
from dfkd_ray.util.generations import before
from dfkd_ray.util.scratch import scratch
from dfkd_ray.util.store import Store, url_of
from dfkd_ray.util.uploads import Seen, Uploads, changed

CHECKPOINT = "checkpoint.pt"
_STORED = re.compile(r"checkpoint-\d{6,}\.pt")


class Depot:
    """What the store has of a trial is fetched into `folder`: its card, and its two newest checkpoints."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self._there = {*store.names()}
        self._seen: Seen = {}
        self._kept: deque[tuple[str, set[str]]] = deque(maxlen=2)  # checkpoints and the blocks that they name
        self._wanted: set[str] = set()  # blocks of the newest
        self._lock = Lock()  # of what is there, and what is wanted
        stored = sorted(filter(_STORED.fullmatch, self._there))[:-3:-1]
        held = zip(stored, (folder / CHECKPOINT, before(folder / CHECKPOINT)))
        for name, path in (*held, *((name, folder / name) for name in (CARD,) if name in self._there)):
            with suppress(FileNotFoundError):
                store.fetch(name, path)
        self._uploads = Uploads(store)

    def fetch(self, name: str) -> None:
        """Bring a file into the folder; FileNotFoundError where nobody has it."""
        self.store.fetch(name, self.folder / name)

    def restored(self, epoch: int, blocks: set[str]) -> None:
        """The run goes on from the checkpoint after this epoch, which names these blocks."""
        with self._lock:
            self._kept.append((_name(epoch), blocks))
            self._there |= blocks

    def keep(self, epoch: int | None, blocks: set[str]) -> None:
        """The folder has changed: what is new in it is on its way. epoch: after which there is a new checkpoint (None:
        there is none), of these `blocks`. StoreError where the uploads before have failed."""
        files = changed(self.folder, self._seen, lambda name: name.startswith("checkpoint"))
        if epoch is None:
            self._uploads.offer(files)
            return
        with self._lock:
            new, self._wanted = blocks - self._there, blocks
            self._there |= blocks
        name = _name(epoch)
        files |= {each: self.folder / each for each in new}
        self._uploads.offer(files, {name: self.folder / CHECKPOINT}, partial(self._tidy, name, blocks))

    def finish(self) -> None:
        """Wait until all is there."""
        self._uploads.finish()

    def close(self) -> None:
        """What is not yet under way is given up."""
        self._uploads.close()

    def _tidy(self, name: str, blocks: set[str]) -> None:
        """A checkpoint is there: what neither it nor the one before it needs may go."""
        self._kept.append((name, blocks))
        if len(self._kept) < 2:
            return
        names = [each for each in self.store.names() if each.startswith("checkpoint")]
        with self._lock:
            stay = {each for each, _ in self._kept}.union(self._wanted, *(used for _, used in self._kept))
            gone = {*names} - stay
            self._there -= gone
        self.store.remove(gone)


def _name(epoch: int) -> str:
    return f"checkpoint-{epoch:06d}.pt"


@contextmanager
def opened(place: str | None) -> Iterator[tuple[Path | None, Depot | None]]:
    """The folder on this disk of a trial's folder by path or URI, and its depot where it lies in a store."""
    url = None if place is None else url_of(place)
    if place is None or url is None:
        yield None if place is None else Path(place), None
        return
    with scratch() as folder:
        depot = Depot(Store(url), folder)
        try:
            yield folder, depot
        finally:
            depot.close()
