"""What a shard holds: an Arrow IPC stream without an end, one record batch a trajectory.

Each message carries its seal and its length (see util/sealed.py), which are looked at before Arrow sees the message;
those of pools of earlier versions have none. What a crash can leave is the beginning of a record batch at the end:
reading stops before it. Damage is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from dfkd_ray.util.damage import elsewhere
from dfkd_ray.util.errors import DataError
from dfkd_ray.util.sealed import BLANK, KEY, is_sound_text, seal

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
_BEGINS = b"\xff\xff\xff\xff"  # an Arrow message; the size of its head follows
_LENGTH = re.compile(BLANK[:14].encode() + rb".{64}:(\d{12}):\1", re.DOTALL)  # twice: a damaged length is none
_HEAD = 4096  # bytes in which a seal is looked for
_TRY = """
import sys, pyarrow as pa
with pa.memory_map(sys.argv[1]) as file:
    data, at = file.read(), 0
    file.seek(0)
    try:
        schema = pa.ipc.read_schema(pa.ipc.read_message(file))
        at = file.tell()
    except Exception:
        at = -1
    while 0 <= at < len(data):
        file.seek(at)
        try:
            pa.ipc.read_record_batch(pa.ipc.read_message(file), schema).validate(full=True)
            at = file.tell()
        except Exception:
            at = data.find(b"\\xff\\xff\\xff\\xff", at + 1)
"""  # all that is read below of a shard without seals
_NOT_WHOLE = (pa.ArrowException, OSError, EOFError, ValueError)  # what Arrow raises for what is no message


class Damaged(Exception):
    """A message is not what was written, and no crash leaves it so."""


class Held(NamedTuple):
    """The trajectories of a shard in the order of the file, the bytes that they take, and those of the file.

    sealed: whether whoever goes on seals what is appended.
    """

    batches: list[pa.RecordBatch]
    sound: int
    size: int
    sealed: bool = True

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


def head() -> bytes:
    """How a shard begins: its columns."""
    return _sealed(lambda told: bytes(SCHEMA.with_metadata({KEY: told}).serialize()))


def message(batch: pa.RecordBatch) -> bytes:
    """A trajectory as it is appended."""
    begin = len(SCHEMA.serialize())

    def written(told: str) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, SCHEMA) as stream:
            stream.write_batch(batch, custom_metadata={KEY: told})
            end = sink.tell()
        return bytes(sink.getvalue()[begin:end])

    return _sealed(written)


def _sealed(written: Callable[[str], bytes]) -> bytes:
    length = len(written(f"{BLANK}:{0:012}:{0:012}"))
    return seal(written(f"{BLANK}:{length:012}:{length:012}"))


def read_shard(path: Path) -> Held:
    """The complete trajectories of a shard, none where there is no file; the images stay on the disk until asked for.

    DataError if it is of another kind, or damaged.
    """
    if not path.exists() or not path.stat().st_size:  # an empty file cannot be mapped
        return Held([], 0, 0)
    batches: list[pa.RecordBatch] = []
    sound, sealed, damaged = 0, False, False
    with pa.memory_map(str(path)) as file:
        size = file.size()  # as it is now: another process may be writing
        try:
            sealed = _is_sealed(file, size)
            if not sealed and (why := elsewhere(_TRY, path)) is not None:
                raise DataError(f"{path}: damaged: {why}; take it from a copy, or remove it and make it again")
            schema = pa.ipc.read_schema(pa.ipc.read_message(file))
            if not schema.equals(SCHEMA):
                raise DataError(f"{path}: no shard of a pool, or one of another version: its columns are others")
            sound = file.tell()
            while sound < size:
                if sealed:
                    _is_sealed(file, size, must=True)
                batches.append(_next(file))
                sound = file.tell()
        except Damaged:
            damaged = True
        except _NOT_WHOLE:
            pass
        more = sound < size and _goes_on(file, sound, size, sealed)
        if damaged or more:
            last = f" (after trajectory {trajectory_of(batches[-1])})" if batches else ""
            after = ", with sound trajectories after it" if more else ""
            raise DataError(
                f"{path}: damaged at byte {sound}{last}{after}; take it from a copy, or remove it and make it again"
            )
    return Held(batches, sound, size, sealed or not sound)


def _is_sealed(file: pa.NativeFile, size: int, must: bool = False) -> bool:
    """Whether the message that begins here has a seal, which fits; the place in the file stays.

    EOFError for the beginning of one that was never finished, where a file system may have filled it up with zeros;
    Damaged for one that is not what was written. must: one without a seal is one of the two.
    """
    at = file.tell()
    begun = file.read(min(_HEAD, size - at))
    own = 8 + int.from_bytes(begun[4:8], "little")  # where the head ends, if these four bytes are sound
    known = 256 <= own <= _HEAD
    found = _LENGTH.search(begun[:own] if known else begun)
    file.seek(at)
    if found is None and must:
        whole = file.read(size - at)
        file.seek(at)
        raise Damaged if known and len(whole.rstrip(b"\0")) > own else EOFError("a message that was never finished")
    if found is None:
        return False
    length = int(found[1])
    if length > size - at:
        raise EOFError("a message that was never finished")
    whole = file.read(length)
    file.seek(at)
    if is_sound_text(whole):
        return True
    if at + length == size and len(whole.rstrip(b"\0")) < length - 64:
        raise EOFError("a message that was never finished")
    raise Damaged


def _next(file: pa.NativeFile) -> pa.RecordBatch:
    """The trajectory that begins here; ValueError (and what Arrow has) where there is none."""
    batch = pa.ipc.read_record_batch(pa.ipc.read_message(file), SCHEMA)
    batch.validate(full=True)
    if not batch.num_rows:
        raise ValueError("a trajectory has images")
    return batch


def _goes_on(file: pa.NativeFile, sound: int, size: int, sealed: bool) -> bool:
    """Whether a complete trajectory begins anywhere in the tail: then it is not one that was never finished."""
    file.seek(sound)
    tail, at = file.read(), 0
    while (at := tail.find(_BEGINS, at + 1)) > 0:
        file.seek(sound + at)
        try:
            _is_sealed(file, size, must=sealed)
            _next(file)
        except (Damaged, *_NOT_WHOLE):
            continue
        return True
    return False
