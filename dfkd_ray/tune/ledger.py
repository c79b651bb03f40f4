"""The ledger: a study's one source of truth, an append-only file of JSON lines.

Each line is one record and ends in its own checksum; it is written in one piece and is on disk before anything acts on
it. That a trial has begun, and its rows, may wait for one another, a moment at most: a power cut takes them with all
that came after, and their trials report them again from their checkpoints. What a crash can leave is half a line after
the last newline: reading stops there, and opening for writing cuts it off. Anything else that is not as it was written
is refused, by its line, and never cut off or emptied: see tune/repair.py. One process writes at a time.
"""

from __future__ import annotations

import json
import os
import re
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any

from dfkd_ray.tune.mirror import Mirror
from dfkd_ray.util import store
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.files import append, sync_folder
from dfkd_ray.util.locks import Taken, take
from dfkd_ray.util.words import typed

NAME, LOCK = "ledger.jsonl", "ledger.lock"
MOMENT = 0.2  # seconds at most between two waits for the disk while records come thick and fast
Record = dict[str, Any]
_parse = json.JSONDecoder().raw_decode  # without what `json.loads` finds out before: half of its time for a short text
_TAIL = len(',"crc32":"00000000"}')
_BEGIN = b'{"kind":"'  # of every record
UTF16 = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"{\0": "utf-16-le", b"\0{": "utf-16-be"}  # by two first bytes
END = re.compile(rb'(?<=,"crc32":"[0-9a-f]{8}"\})')  # of every record: the place behind it


def encode(record: Mapping[str, Any]) -> bytes:
    """One line: the record as JSON, its last key the CRC-32 of the JSON before it."""
    body = json.dumps(record, separators=(",", ":"), ensure_ascii=True)
    return f'{body[:-1]},"crc32":"{zlib.crc32(body.encode()):08x}"}}\n'.encode()


def decode(line: bytes) -> Record | None:
    """The record of a line (without its newline and its checksum), or None if it is damaged."""
    body = line[:-_TAIL] + b"}"
    if line[-_TAIL:] != b',"crc32":"%08x"}' % zlib.crc32(body):
        return None
    record: Record = _parse(body.decode())[0]
    return record


def read_records(path: Path) -> tuple[list[Record], int]:
    """All records, and how many bytes of the file they take: see `fold`."""
    records: list[Record] = []
    return records, fold(path, records.append)


def fold(path: Path, take: Callable[[Record], object]) -> int:
    """Hand over all records, one after another, and return how many bytes of the file they take: less than its size if
    the tail is torn. No more than a line is held in memory.

    Raises StudyError for a damaged line, for what is no ledger at all, or if there is no such file.
    """
    size, line = 0, b""
    try:
        with path.open("rb", buffering=1 << 20) as file:
            for line in file:
                record = decode(line[:-1]) if line.endswith(b"\n") else None
                if record is None:
                    break
                take(record)
                size += len(line)
            else:
                return size
    except OSError as error:
        raise StudyError(f"{path}: no ledger to read: {error.strerror}") from None
    if line.endswith(b"\n") or not is_torn(line):
        data = path.read_bytes()
        raise StudyError(refusal(path, data, data.count(b"\n", 0, size) + 1))
    return size


def is_torn(tail: bytes) -> bool:
    """Whether what follows the last newline is what a crash leaves: nothing, or the beginning of one record.

    A file system may have filled it up with zeros.
    """
    head = tail.partition(b"\0")[0]
    return head[: len(_BEGIN)] == _BEGIN[: len(head)] and END.search(tail[:-1]) is None


def refusal(path: Path, data: bytes, number: int) -> str:
    """What is wrong with a ledger of which a line (from 1) cannot be read, and the way on."""
    way = f"nothing of it was changed; take it from a copy, or: dfkd-ray repair {typed(path.parent)}"
    if data.startswith(b"version https://git-lfs"):
        return f"{path}: the pointer of a large-file store, not the ledger itself; fetch that with: git lfs pull"
    if data[:2] in UTF16:
        return f"{path}: the ledger was converted to UTF-16; {way}"
    lines = data.split(b"\n")
    if decode(lines[0].rstrip(b"\r")) is not None and lines[0].endswith(b"\r"):
        return f"{path}: the line ends of the ledger were converted to CR LF; {way}"
    if not any(decode(line) is not None for line in lines):
        return f"{path}: no record of a ledger can be read in it; {way}"
    more = sum(decode(line) is None for line in lines[number:-1])
    told = f", and {more} more {'is' if more == 1 else 'are'}" if more else ""
    return f"{path}:{number}: this record is damaged{told}; {way}"


class Ledger:
    """The open ledger. What was in it is handed to `take`, record by record, or stands in `records`; `count` is how
    many there are by now. Close it, or use it as a context.

    Where its folder is the copy of one in a store, `mirror` puts there what is appended.
    """

    def __init__(self, folder: Path, take: Callable[[Record], object] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / NAME
        self.records: list[Record] = []
        self.count = 0
        self._owes, self._settled = False, time.monotonic()
        self._take = take or self.records.append
        self._lock = locked(folder)
        self.mirror: Mirror | None = None
        try:
            self.mirror = None if (there := store.of(folder)) is None else Mirror(folder, there)
            self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644)
            sync_folder(folder)
            self._size = fold(self.path, self._found)
            if os.fstat(self._file).st_size > self._size:
                os.ftruncate(self._file, self._size)
                os.fsync(self._file)
            self._grown()
        except BaseException:
            if self.mirror is not None:
                self.mirror.close()
            self._lock.close()
            raise

    def _found(self, record: Record) -> None:
        self._take(record)
        self.count += 1

    def append(self, record: Mapping[str, Any], wait: bool = True) -> Record:
        """Write one record: see `append_all`."""
        return self.append_all([record], wait)[0]

    def append_all(self, records: Iterable[Mapping[str, Any]], wait: bool = True) -> list[Record]:
        """Write records and wait until they are on disk; OSError (and nothing written) if they cannot be.

        Returns them as reading gives them back. Without `wait` they are waited for with the next that are, or by
        `settle`; only what came within a moment of the last wait, and is no copy of a store's.
        """
        lines = [encode(record) for record in records]
        wait = wait or self.mirror is not None or self._late
        try:
            self._size = append(self._file, b"".join(lines), self._size, wait)
        except OSError as error:
            raise OSError(error.errno, error.strerror or str(error), str(self.path)) from error
        self._waited(wait)
        self.count += len(lines)
        kept = [record for record in (decode(line[:-1]) for line in lines) if record is not None]
        self._grown(kept)
        return kept

    def settle(self) -> None:
        """Wait for the disk if there are records that nobody has waited for, for longer than a moment."""
        if self._owes and self._late:
            os.fsync(self._file)
            self._waited(True)

    def _waited(self, all_there: bool) -> None:
        self._owes = not all_there
        if all_there:
            self._settled = time.monotonic()

    @property
    def _late(self) -> bool:
        return time.monotonic() > self._settled + MOMENT

    def _grown(self, records: Iterable[Record] = ()) -> None:
        if self.mirror is not None:
            self.mirror.grown(self._size, [each["picture"]["path"] for each in records if "picture" in each])

    def since(self, place: int) -> Iterator[Record]:
        """The records after so many, read from the file."""
        with self.path.open("rb") as file:
            for line in islice(file, place, self.count):
                record = decode(line[:-1])
                assert record is not None
                yield record

    def clear(self) -> None:
        """Begin anew: for a study of which nothing has been run, so that its first record is all there is."""
        if self.count > 1:
            raise StudyError(f"{self.path}: holds {self.count} records, and is not emptied")
        if self.mirror is not None:
            self.mirror.clear()
        os.ftruncate(self._file, 0)
        self._size, self.count, self.records = 0, 0, []

    def close(self) -> None:
        if self.mirror is not None:
            self.mirror.close()
        if self._owes:
            os.fsync(self._file)
        os.close(self._file)
        self._lock.close()

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class locked:
    """An exclusive lock on a study's folder that ends with this process, however it ends.

    Raises StudyError, which says who holds it.
    """

    def __init__(self, folder: Path) -> None:
        try:
            self._lock = take(folder / LOCK)
        except Taken as holder:
            raise StudyError(f"{folder}: this study is being run already by {holder}") from None

    def close(self) -> None:
        self._lock.release()

    def __enter__(self) -> locked:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()
