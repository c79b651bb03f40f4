"""What a shard holds: an Arrow IPC stream without an end, one record batch a trajectory.

What a crash can leave is half a record batch at the end: reading stops before it. Damage anywhere else is an error.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from dfkd_ray.util.errors import DataError

SCHEMA = pa.schema(
    [
        ("trajectory", pa.int32()),
        ("latent", pa.int16()),  # its place in the batch of the trajectory
        ("step", pa.int16()),  # the timestep, from 1, whose estimate it is
        ("final", pa.bool_()),  # the finished image
        ("label", pa.int32()),
        ("prompt", pa.string()),
        ("seed", pa.int64()),
        ("losses", pa.map_(pa.string(), pa.float64())),  # of the guidance at that step; empty where there is none
        ("image", pa.binary()),
    ]
)
_BEGINS = b"\xff\xff\xff\xff"  # an Arrow message
_NOT_WHOLE = (pa.ArrowException, OSError, EOFError, ValueError)  # what Arrow raises for what is no message


class Held(NamedTuple):
    """The trajectories of a shard in the order of the file, the bytes that they take, and those of the file."""

    batches: list[pa.RecordBatch]
    sound: int
    size: int

    @property
    def torn(self) -> int:
        """Bytes of a trajectory that was never finished."""
        return self.size - self.sound


def shard_name(index: int, of: int) -> str:
    return f"shard-{index}-of-{of}.arrows"


def trajectory_of(batch: pa.RecordBatch) -> int:
    """The number of the trajectory that a record batch is."""
    number: int = batch.column("trajectory")[0].as_py()
    return number


def read_shard(path: Path) -> Held:
    """The complete trajectories of a shard, none where there is no file; the images stay on the disk until asked for.

    DataError if it is of another kind, or damaged with sound trajectories after the damage.
    """
    if not path.exists() or not path.stat().st_size:  # an empty file cannot be mapped
        return Held([], 0, 0)
    batches: list[pa.RecordBatch] = []
    sound = 0
    with pa.memory_map(str(path)) as file:
        size = file.size()  # as it is now: another process may be writing
        try:
            schema = pa.ipc.read_schema(pa.ipc.read_message(file))
            if not schema.equals(SCHEMA):
                raise DataError(f"{path}: no shard of a pool, or one of another version: its columns are others")
            sound = file.tell()
            while sound < size:
                batches.append(_next(file))
                sound = file.tell()
        except _NOT_WHOLE:
            pass
        if sound < size and _goes_on(file, sound):
            last = f" (after trajectory {trajectory_of(batches[-1])})" if batches else ""
            raise DataError(
                f"{path}: damaged at byte {sound}{last}, with sound trajectories after it; take it from a copy, or "
                "remove it and make it again"
            )
    return Held(batches, sound, size)


def _next(file: pa.NativeFile) -> pa.RecordBatch:
    """The trajectory that begins here; ValueError (and what Arrow has) where there is none."""
    batch = pa.ipc.read_record_batch(pa.ipc.read_message(file), SCHEMA)
    batch.validate(full=True)
    if not batch.num_rows:
        raise ValueError("a trajectory has images")
    return batch


def _goes_on(file: pa.NativeFile, sound: int) -> bool:
    """Whether a complete trajectory begins anywhere in the tail: then it is not one that was never finished."""
    file.seek(sound)
    tail, at = file.read(), 0
    while (at := tail.find(_BEGINS, at + 1)) > 0:
        file.seek(sound + at)
        try:
            _next(file)
        except _NOT_WHOLE:
            continue
        return True
    return False
