"""The ledger: torn tails are cut, damage is named, one writer at a time."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray.tune.ledger import NAME, Ledger, decode, encode, read_records
from dfkd_ray.util.errors import StudyError

RELAXED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
RECORDS = [{"kind": "a", "n": 1}, {"kind": "b", "text": 'über\n"x"', "nan": None}, {"kind": "c", "list": [1, 2.5]}]


def write(folder: Path, records: list[dict[str, object]]) -> bytes:
    with Ledger(folder) as ledger:
        for record in records:
            ledger.append(record)
    return (folder / NAME).read_bytes()


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)


@RELAXED
@given(st.dictionaries(st.text().filter(lambda key: key != "crc32"), json_values, min_size=1, max_size=4))
def test_a_line_is_its_record(record: dict[str, object]) -> None:
    line = encode(record)
    assert line.endswith(b"\n")
    assert b"\n" not in line[:-1]
    decoded = decode(line[:-1])
    assert decoded is not None
    assert decoded == record
    assert json.loads(line).keys() == {*record, "crc32"}


@RELAXED
@given(st.integers(0, 60), st.integers(1, 255))
def test_any_changed_byte_is_noticed(at: int, flip: int) -> None:
    line = bytearray(encode({"kind": "row", "epoch": 3, "value": 0.25})[:-1])
    line[at % len(line)] ^= flip
    assert decode(bytes(line)) is None


def test_append_and_read_back(tmp_path: Path) -> None:
    data = write(tmp_path, RECORDS)
    records, size = read_records(tmp_path / NAME)
    assert records == RECORDS
    assert size == len(data)
    assert not (tmp_path / NAME).stat().st_mode & 0o022


@pytest.mark.usefixtures("no_fsync")
def test_a_tail_torn_at_any_byte_is_cut_before_the_next_append(tmp_path: Path) -> None:
    data = write(tmp_path, RECORDS)
    start = data.rindex(b"\n", 0, -1) + 1
    for cut in range(start, len(data)):
        (tmp_path / NAME).write_bytes(data[:cut])
        records, size = read_records(tmp_path / NAME)
        assert (records, size) == (RECORDS[:2], start)
        with Ledger(tmp_path) as ledger:
            assert ledger.records == RECORDS[:2]
            ledger.append({"kind": "d"})
        assert read_records(tmp_path / NAME)[0] == [*RECORDS[:2], {"kind": "d"}]


def test_a_tail_of_zeros_is_a_torn_tail(tmp_path: Path) -> None:
    data = write(tmp_path, RECORDS)
    for begun in (b"", b'{"kind":"ro'):
        (tmp_path / NAME).write_bytes(data + begun + b"\0" * 100)
        assert read_records(tmp_path / NAME) == (RECORDS, len(data))


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_damaged_line_is_named_and_never_cut_off(tmp_path: Path, number: int) -> None:
    data = write(tmp_path, RECORDS)
    lines = data.splitlines(keepends=True)
    lines[number - 1] = lines[number - 1].replace(b'"kind":', b'"kinD":')
    (tmp_path / NAME).write_bytes(b"".join(lines))
    says = (
        rf"^{tmp_path / NAME}:{number}: this record is damaged; nothing of it was changed; take it from a copy, or: "
        rf"dfkd-ray repair {tmp_path}$"
    )
    with pytest.raises(StudyError, match=says):
        read_records(tmp_path / NAME)
    with pytest.raises(StudyError, match=says):
        Ledger(tmp_path)
    assert (tmp_path / NAME).read_bytes() == b"".join(lines)
    (tmp_path / NAME).write_bytes(data)
    Ledger(tmp_path).close()  # the refused one has let go of the lock


def test_any_flipped_bit_of_a_ledger_is_noticed_and_changes_nothing(tmp_path: Path) -> None:
    data = write(tmp_path, RECORDS)
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        (tmp_path / NAME).write_bytes(flipped)
        with pytest.raises(StudyError):
            read_records(tmp_path / NAME)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda data: data.replace(b"\n", b"\r\n"),
            ": the line ends of the ledger were converted to CR LF; nothing of",
        ),
        (
            lambda data: data.replace(b"\n", b"\r"),
            ": no record of a ledger can be read in it; nothing of it was changed",
        ),
        (
            lambda data: data.decode().encode("utf-16"),
            ": the ledger was converted to UTF-16; nothing of it was changed;",
        ),
        (lambda data: data.decode().encode("utf-16-be"), ": the ledger was converted to UTF-16; nothing of it was"),
        (lambda data: b"\xef\xbb\xbf" + data, ":1: this record is damaged; nothing of it was changed; take it from a"),
        (lambda data: b"garbage", ": no record of a ledger can be read in it; nothing of it was changed; take it from"),
        (lambda data: b"\0" * 99 + b"\n", ": no record of a ledger can be read in it; nothing of it was changed;"),
        (
            lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:4d\nsize 12\n",
            ": the pointer of a large-file store, not the ledger itself; fetch that with: git lfs pull",
        ),
    ],
    ids=["CR LF", "CR", "UTF-16", "UTF-16-BE", "BOM", "garbage", "zeros", "pointer"],
)
def test_what_is_no_ledger_is_refused_and_never_emptied(
    tmp_path: Path, change: Callable[[bytes], bytes], says: str
) -> None:
    changed = change(write(tmp_path, RECORDS))
    (tmp_path / NAME).write_bytes(changed)
    with pytest.raises(StudyError, match=re.escape(f"{tmp_path / NAME}{says}")):
        Ledger(tmp_path)
    assert (tmp_path / NAME).read_bytes() == changed


def test_only_a_first_record_is_cleared(tmp_path: Path) -> None:
    data = write(tmp_path, RECORDS)
    with Ledger(tmp_path) as ledger, pytest.raises(StudyError, match=r"holds 3 records, and is not emptied$"):
        ledger.clear()
    assert (tmp_path / NAME).read_bytes() == data


def test_no_ledger(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="no ledger to read: No such file"):
        read_records(tmp_path / NAME)


def test_a_full_disk_leaves_no_half_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Ledger(tmp_path) as ledger:
        ledger.append(RECORDS[0])
        real = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda handle, line, at: real(handle, line[:5], at))
        with pytest.raises(OSError, match=r"only 5 of .* bytes were written: .*ledger.jsonl'$"):
            ledger.append(RECORDS[1])
        monkeypatch.setattr(os, "pwrite", real)
        ledger.append(RECORDS[2])
    assert read_records(tmp_path / NAME)[0] == [RECORDS[0], RECORDS[2]]


def test_two_writers_are_refused_and_a_dead_one_is_no_obstacle(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from dfkd_ray.tune.ledger import Ledger\n"
        f"ledger = Ledger(Path({str(tmp_path)!r})); ledger.append({{'kind': 'a'}})\n"
        "print('locked', flush=True); time.sleep(60)"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path(__file__).parents[2], text=True
    )
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(StudyError, match=f"is being run already by process {other.pid} on "):
        Ledger(tmp_path)
    other.kill()
    other.wait()
    with Ledger(tmp_path) as ledger:
        assert ledger.records == [{"kind": "a"}]


def test_what_waits_together_is_written_at_once_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    with Ledger(tmp_path) as ledger:
        real, sync = os.pwrite, os.fsync
        monkeypatch.setattr(os, "fsync", lambda handle: synced.append(handle) or sync(handle))
        assert ledger.append_all(RECORDS[:2]) == RECORDS[:2]
        assert (len(synced), ledger.count) == (1, 2)
        monkeypatch.setattr(os, "pwrite", lambda handle, data, at: real(handle, data[:-5], at))
        with pytest.raises(OSError, match="bytes were written"):
            ledger.append_all(RECORDS)
        monkeypatch.setattr(os, "pwrite", real)
        assert ledger.count == 2
        ledger.append(RECORDS[2])
        assert list(ledger.since(1)) == RECORDS[1:]
    assert read_records(tmp_path / NAME)[0] == RECORDS


def test_records_are_handed_over_one_by_one_and_not_kept(tmp_path: Path) -> None:
    write(tmp_path, RECORDS)
    found: list[dict[str, object]] = []
    with Ledger(tmp_path, found.append) as ledger:
        assert (found, ledger.records, ledger.count) == (RECORDS, [], 3)


def test_rows_that_come_thick_and_fast_wait_for_the_disk_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, clock = list[int](), [100.0]
    monkeypatch.setattr(os, "fsync", synced.append)
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])
    with Ledger(tmp_path) as ledger:

        def told(wait: bool, after: float) -> int:
            """Records that the disk was waited for with, when one comes so many seconds after the one before."""
            synced.clear()
            clock[0] += after
            ledger.append({"kind": "row"}, wait)
            return len(synced)

        assert [told(False, 30), told(False, 0.1), told(True, 0.0), told(False, 0.1)] == [1, 0, 1, 0]
        synced.clear()
        ledger.settle()
        assert synced == []
        clock[0] += 0.15
        ledger.settle()
        ledger.settle()
        assert len(synced) == 1
        assert told(False, 0.1) == 0
        assert len(read_records(tmp_path / NAME)[0]) == 5, "who kills the process takes nothing"
        synced.clear()
    assert len(synced) == 1


def test_a_copy_of_a_store_is_never_behind_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    with Ledger(tmp_path) as ledger:
        ledger.mirror = SimpleNamespace(grown=lambda size, pictures: None, close=lambda: None)  # type: ignore[assignment]
        monkeypatch.setattr(os, "fsync", synced.append)
        for _ in range(3):
            ledger.append({"kind": "row"}, wait=False)
    assert len(synced) == 3
