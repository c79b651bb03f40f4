"""One file of a pool, to write to: complete trajectories are appended, and what was never finished is cut off first.

One process writes at a time.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import pyarrow as pa
from filelock import lock_descriptor
from torch import Tensor

from dfkd_ray.datasets.pools.card import PoolCard
from dfkd_ray.datasets.pools.pictures import encode
from dfkd_ray.datasets.pools.stream import SCHEMA, head, message, read_shard, trajectory_of
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.files import append, sync_folder


class PoolRow(NamedTuple):
    """One image of a trajectory: the estimate of one latent at one step. image: uint8 (C, H, W), C 1 or 3."""

    latent: int
    step: int
    final: bool
    label: int
    prompt: str
    seed: int
    losses: Mapping[str, float]
    image: Tensor


class Shard:
    """A shard to write to. Close it, or use it as a context.

    done: the trajectories that are complete. size: images.
    """

    def __init__(self, path: Path, card: PoolCard, index: int) -> None:
        self.path, self.card, self.index = path, card, index
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(self._file, path)
            held = read_shard(path)
            self._end, self._sealed = held.sound, held.sealed
            if held.torn:
                os.ftruncate(self._file, self._end)
            if not self._end:
                self._write(head())
                sync_folder(path.parent)
        except BaseException:
            os.close(self._file)
            raise
        self.done = {*map(trajectory_of, held.batches)}
        self.size = sum(batch.num_rows for batch in held.batches)

    def append(self, trajectory: int, rows: Sequence[PoolRow]) -> pa.RecordBatch:
        """Write all images of a trajectory and wait until they are on the disk; DataError and nothing written if not.

        Returns it as it was written. ValueError for one that is there, belongs to another shard, or is not what the
        card says.
        """
        self._check(trajectory, rows)
        made = [
            {
                **row._asdict(),
                "trajectory": trajectory,
                "losses": list(row.losses.items()),
                "image": encode(row.image, self.card.format),
            }
            for row in rows
        ]
        batch = pa.RecordBatch.from_pylist(made, schema=SCHEMA)
        self._write(message(batch) if self._sealed else batch.serialize())
        self.done.add(trajectory)
        self.size += len(rows)
        return batch

    def _check(self, trajectory: int, rows: Sequence[PoolRow]) -> None:
        card = self.card
        if trajectory in self.done:
            raise ValueError(f"{self.path}: trajectory {trajectory} is there")
        if trajectory < 0 or trajectory % card.shards != self.index - 1:
            raise ValueError(f"{self.path}: trajectory {trajectory} is of another shard")
        if len(rows) != card.per_trajectory:
            raise ValueError(f"{self.path}: a trajectory has {card.per_trajectory} images, got {len(rows)}")
        for row in rows:
            if row.image.shape[1:] != (card.pixels, card.pixels):
                side = f"{card.pixels}x{card.pixels}"
                raise ValueError(f"{self.path}: its images are {side}, got {tuple(row.image.shape)}")

    def _write(self, data: bytes | pa.Buffer) -> None:
        try:
            self._end = append(self._file, data, self._end)
        except OSError as error:
            raise DataError(f"{self.path}: cannot be written: {error}; nothing is lost, go on later") from error

    def close(self) -> None:
        os.close(self._file)

    def __enter__(self) -> Shard:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


def _lock(handle: int, path: Path) -> None:
    """For this process, until it ends, however it ends."""
    try:
        if not lock_descriptor(handle, blocking=False):
            raise DataError(f"{path}: another process is writing to this shard")
    except OSError as error:
        raise DataError(f"{path}: cannot be locked: {error.strerror}") from None
