"""The large part of a checkpoint: the images that a memory keeps, in files of their own, each written once.

A memory that fills a ring says in its state how many rows it has `added` since the run began. Its tensors are cut into
blocks of rows; a block's file is called by the SHA-256 of its bytes, and a checkpoint names its files. So an epoch
writes what is new, and where a ring did not move at all, nothing of it is even read.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dfkd_ray.util.files import atomic_write
from dfkd_ray.util.generations import Unsound

LEAST = 1 << 20  # bytes of a tensor that is cut
_BLOCK = 8 << 20  # bytes of a block, about
_AT_ONCE = 8  # files that are fetched
_ADDED, _FILES, _LIKE = "added", "files", "like"
Place = tuple[Any, ...]  # the keys that lead to a tensor


class Rings:
    """Those of one run, in its folder.

    fetch: brings a file that is not there, by its name; FileNotFoundError where nobody has it.
    """

    def __init__(self, folder: Path, fetch: Callable[[str], None] | None = None) -> None:
        self.folder, self._fetch = folder, fetch
        self._known: dict[Place, tuple[int, list[str]]] = {}  # rows that had been added, and the files then
        self._used: deque[set[str]] = deque(maxlen=2)  # by each generation of the checkpoint

    @property
    def used(self) -> set[str]:
        """The files that the two newest checkpoints name."""
        return set().union(*self._used)

    def split(self, state: Any, place: Place = ()) -> Any:
        """The state with the names of files for large tensors, which are on the disk then."""
        if not place:
            self._used.append(set())
        if type(state) is list:
            return [self.split(each, (*place, i)) for i, each in enumerate(state)]
        if type(state) is not dict:
            return state
        added = state.get(_ADDED)
        return {
            key: self._written(each, (*place, key), added)
            if isinstance(added, int) and isinstance(each, Tensor) and each.nbytes >= LEAST
            else self.split(each, (*place, key))
            for key, each in state.items()
        }

    def join(self, state: Any, place: Place = (), added: int = 0) -> Any:
        """The state as it was split; Unsound where a file is not there, or not what it was."""
        if not place:
            self._known.clear()
            self._used.append(set())
        if type(state) is list:
            return [self.join(each, (*place, i)) for i, each in enumerate(state)]
        if type(state) is not dict:
            return state
        if state.keys() == {_FILES, _LIKE}:
            self._known[place] = added, state[_FILES]
            self._used[-1].update(state[_FILES])
            self._bring(state[_FILES])
            return torch.cat([self._read(name, state[_LIKE]) for name in state[_FILES]])
        return {key: self.join(each, (*place, key), state.get(_ADDED, 0)) for key, each in state.items()}

    def prune(self) -> None:
        """Remove the files that no checkpoint names any more."""
        used = self.used
        for path in self.folder.glob(file_of("*")):
            if path.name not in used:
                path.unlink(missing_ok=True)

    def _written(self, ring: Tensor, place: Place, added: int) -> dict[str, Any]:
        count = max(1, _BLOCK * len(ring) // ring.nbytes)  # rows of a block
        before, files = self._known.get(place, (added - len(ring), []))
        new = _touched(before, added, len(ring), count)
        names = [
            files[i] if i < len(files) and i not in new else self._write(ring[start : start + count])
            for i, start in enumerate(range(0, len(ring), count))
        ]
        self._known[place] = added, names
        self._used[-1].update(names)
        return {_FILES: names, _LIKE: ring[:0].clone()}

    def _write(self, rows: Tensor) -> str:
        held = rows.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data
        name = file_of(hashlib.sha256(held).hexdigest())
        if not (self.folder / name).exists():
            with atomic_write(self.folder / name) as file:
                file.write(held)
        return name

    def _bring(self, names: list[str]) -> None:
        missing = [name for name in names if not (self.folder / name).exists()]
        if self._fetch is not None and missing:
            with ThreadPoolExecutor(_AT_ONCE) as pool, suppress(FileNotFoundError):  # which `_read` tells
                list(pool.map(self._fetch, missing))

    def _read(self, name: str, like: Tensor) -> Tensor:
        path = self.folder / name
        try:
            held = bytearray(path.read_bytes())
        except FileNotFoundError:
            raise Unsound(f"{name} is lost") from None
        if file_of(hashlib.sha256(held).hexdigest()) != name:
            path.unlink()
            raise Unsound(f"{name} is damaged")
        rows = torch.frombuffer(held, dtype=torch.uint8).view(like.dtype)
        return rows.view(-1, *like.shape[1:]).to(like.device)


def file_of(digest: str) -> str:
    """How a block's file is called: like a checkpoint, so that it goes with one."""
    return f"checkpoint-{digest}.rows"


def _touched(before: int, added: int, size: int, count: int) -> set[int]:
    """The blocks, of `count` rows each, that the rows from `before` up to `added` of all have gone into."""
    first, new = before % size, min(added - before, size)
    rows = ((first, min(first + new, size)), (0, max(0, first + new - size)))
    return {block for start, end in rows for block in range(start // count, -(-end // count)) if start < end}
