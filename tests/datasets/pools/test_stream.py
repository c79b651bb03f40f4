"""What a shard holds: whole trajectories, and nothing of what a crash left of the last one."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from dfkd_ray.datasets.pools import stream
from dfkd_ray.datasets.pools.stream import SCHEMA, Held, read_shard, shard_name, trajectory_of
from dfkd_ray.util.errors import DataError

FIRST = SCHEMA.serialize().to_pybytes()


def batch(number: int, images: int = 2) -> pa.RecordBatch:
    rows = [{"trajectory": number, "latent": place, "image": b"x" * 50, "losses": []} for place in range(images)]
    return pa.RecordBatch.from_pylist(rows, SCHEMA)


def bytes_of(made: pa.RecordBatch) -> bytes:
    return bytes(made.serialize().to_pybytes())


def written(folder: Path, *parts: bytes) -> Path:
    path = folder / shard_name(1, 2)
    path.write_bytes(b"".join(parts))
    return path


def test_a_shard_is_named_by_its_place_from_one(tmp_path: Path) -> None:
    assert shard_name(1, 4) == "shard-1-of-4.arrows"


@pytest.mark.parametrize("empty", [True, False])
def test_of_no_file_and_of_an_empty_one_nothing_is_held(empty: bool, tmp_path: Path) -> None:
    path = written(tmp_path) if empty else tmp_path / "none"
    assert read_shard(path) == Held([], 0, 0)


def test_trajectories_come_in_the_order_of_the_file(tmp_path: Path) -> None:
    data = [FIRST, *(bytes_of(batch(number)) for number in (5, 1, 3))]
    held = read_shard(written(tmp_path, *data))
    assert [trajectory_of(each) for each in held.batches] == [5, 1, 3]
    assert held.batches[1].equals(batch(1))
    assert (held.sound, held.size, held.torn) == (*[sum(map(len, data))] * 2, 0)


@pytest.mark.parametrize("kept", [0, 1, 3, 8, 200])
def test_what_was_never_finished_is_counted_and_not_read(kept: int, tmp_path: Path) -> None:
    tail = bytes_of(batch(2))[:kept]
    held = read_shard(written(tmp_path, FIRST, bytes_of(batch(1)), tail))
    assert [trajectory_of(each) for each in held.batches] == [1]
    assert held.torn == kept


def test_a_head_that_is_torn_holds_nothing(tmp_path: Path) -> None:
    held = read_shard(written(tmp_path, FIRST[:-10]))
    assert (held.batches, held.sound, held.torn) == ([], 0, len(FIRST) - 10)


def test_damage_with_sound_trajectories_after_it_is_an_error_that_says_where(tmp_path: Path) -> None:
    damaged = bytearray(bytes_of(batch(2, images=5)))
    damaged[8:40] = bytes(32)
    path = written(tmp_path, FIRST, bytes_of(batch(1)), bytes(damaged), bytes_of(batch(3)))
    at = len(FIRST) + len(bytes_of(batch(1)))
    with pytest.raises(DataError) as refused:
        read_shard(path)
    assert str(refused.value) == (
        f"{path}: damaged at byte {at} (after trajectory 1), with sound trajectories after it; take it from a copy, "
        "or remove it and make it again"
    )


def test_a_trajectory_without_images_is_none(tmp_path: Path) -> None:
    held = read_shard(written(tmp_path, FIRST, bytes_of(batch(1)), bytes_of(batch(2, images=0))))
    assert [trajectory_of(each) for each in held.batches] == [1]
    assert held.torn == len(bytes_of(batch(2, images=0)))


def test_a_stream_of_other_columns_is_no_shard(tmp_path: Path) -> None:
    other = pa.schema([*SCHEMA, ("more", pa.int8())]).serialize().to_pybytes()
    path = written(tmp_path, other)
    with pytest.raises(DataError, match="no shard of a pool, or one of another version: its columns are others") as no:
        read_shard(path)
    assert str(no.value).startswith(f"{path}: ")


def test_a_shard_without_seals_is_tried_in_another_process_since_arrow_may_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, FIRST, bytes_of(batch(0)))
    assert len(read_shard(path).batches) == 1
    monkeypatch.setattr(stream, "_TRY", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(DataError, match=rf"^{path}: damaged: Arrow crashes where it reads it; take it from a copy"):
        read_shard(path)
