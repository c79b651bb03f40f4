"""A shard: whole trajectories or none, whoever is killed, and one writer at a time."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dfkd_ray.datasets.pools import Pool
from dfkd_ray.datasets.pools.stream import SCHEMA, read_shard, trajectory_of
from dfkd_ray.util.errors import DataError
from tests.datasets.pools.made import CARD, fill, rewrite, starts, trajectory

ROOT = Path(__file__).parents[2]
ONE = replace(CARD, shards=1, pixels=2, per_trajectory=2)
COUNT = 4


def numbers(path: Path) -> list[int]:
    return [trajectory_of(batch) for batch in read_shard(path).batches]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("whole"), COUNT, ONE).path(1)


def test_what_is_appended_comes_back(whole: Path) -> None:
    rows = [row for batch in read_shard(whole).batches for row in batch.to_pylist()]
    wanted = [(number, row) for number in range(COUNT) for row in trajectory(ONE, number)]
    assert len(rows) == len(wanted) == 2 * COUNT
    for found, (number, row) in zip(rows, wanted):
        assert found.pop("image").startswith(b"\x89PNG")
        assert dict(found.pop("losses")) == row.losses
        assert found == {
            "trajectory": number,
            **{name: value for name, value in row._asdict().items() if name not in ("image", "losses")},
        }


def test_any_reader_of_arrow_reads_it(whole: Path) -> None:
    table = pa.ipc.open_stream(whole.read_bytes()).read_all()
    assert table.schema.equals(SCHEMA)
    assert table.column("trajectory").to_pylist() == [0, 0, 1, 1, 2, 2, 3, 3]


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 1))
def test_a_shard_cut_anywhere_is_its_whole_trajectories_and_goes_on(
    share: float, whole: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data, ends = whole.read_bytes(), starts(whole)[1:]
    cut = round(share * len(data))
    pool = Pool.create(tmp_path_factory.mktemp("cut"), ONE)
    pool.path(1).write_bytes(data[:cut])
    left = [number for number, end in enumerate(ends) if end <= cut]
    assert numbers(pool.path(1)) == left
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda handle: None)  # no power is cut here
        with pool.shard(1, 1) as shard:
            assert (shard.done, shard.size) == ({*left}, 2 * len(left))
    assert read_shard(pool.path(1)).torn == 0
    fill(pool.folder, COUNT, ONE)
    assert pool.path(1).read_bytes() == data, "without a gap, nothing twice"


@pytest.mark.parametrize("tail", [b"\0" * 3, b"\0" * 800, b"\xff\xff\xff\xff" + b"\0" * 60, b"half a trajectory" * 9])
def test_a_tail_of_anything_is_cut(tail: bytes, whole: Path, tmp_path: Path) -> None:
    pool = Pool.create(tmp_path, ONE)
    pool.path(1).write_bytes(whole.read_bytes() + tail)
    assert (numbers(pool.path(1)), read_shard(pool.path(1)).torn) == ([0, 1, 2, 3], len(tail))
    pool.shard(1, 1).close()
    assert pool.path(1).read_bytes() == whole.read_bytes()


def test_any_flipped_bit_is_told_and_nothing_is_cut_off(whole: Path, tmp_path: Path) -> None:
    """One in the mark of a seal apart, of which nothing is read: there all is as it was."""
    pool, data, draw = Pool.create(tmp_path, ONE), whole.read_bytes(), random.Random(0)
    rows = [batch.to_pylist() for batch in read_shard(whole).batches]
    told = 0
    for place in [*range(0, len(data), 9), *range(len(data) - 400, len(data), 7)]:
        broken = bytearray(data)
        broken[place] ^= 1 << draw.randrange(8)
        pool.path(1).write_bytes(broken)
        try:
            pool.shard(1, 1).close()
            assert [batch.to_pylist() for batch in read_shard(pool.path(1)).batches] == rows, f"byte {place}"
        except DataError:
            told += 1
        assert pool.path(1).read_bytes() == broken
    assert told > 0.98 * len(data) / 9


def test_a_shard_of_an_earlier_version_goes_on_as_it_is(whole: Path, tmp_path: Path) -> None:
    pool = Pool.create(tmp_path, ONE)
    pool.path(1).touch()
    rewrite(pool.path(1), read_shard(whole).batches[:2])
    fill(tmp_path, COUNT, ONE)
    assert b"sealed" not in pool.path(1).read_bytes()
    assert [batch.to_pylist() for batch in read_shard(pool.path(1)).batches] == [
        batch.to_pylist() for batch in read_shard(whole).batches
    ]


@pytest.mark.parametrize("zeros", [0, 1, 500])
def test_a_half_trajectory_that_was_filled_up_with_zeros_is_cut(whole: Path, tmp_path: Path, zeros: int) -> None:
    pool, (start, end) = Pool.create(tmp_path, ONE), starts(whole)[-2:]
    for kept in range(start, end, 50):
        data = whole.read_bytes()[:kept] + bytes(min(zeros, end - kept))
        if len(data) == end and len(data.rstrip(b"\0")) >= end - 64:
            continue  # so few zeros may be its own
        pool.path(1).write_bytes(data)
        pool.shard(1, 1).close()
        assert pool.path(1).read_bytes() == data[:start]


@pytest.mark.parametrize("before", [0, 1, 2])
def test_damage_before_sound_trajectories_is_an_error_and_nothing_is_cut(
    before: int, whole: Path, tmp_path: Path
) -> None:
    pool, start = Pool.create(tmp_path, ONE), starts(whole)[before]
    data = bytearray(whole.read_bytes())
    data[start + 4 : start + 8] = b"\xff\xff\xff\x0f"  # a length that goes far beyond the end of the file
    pool.path(1).write_bytes(data)
    after = f" (after trajectory {before - 1})" if before else ""
    said = f"{pool.path(1)}: damaged at byte {start}{after}, with sound trajectories after it; "
    for look in (lambda: read_shard(pool.path(1)), lambda: pool.shard(1, 1)):
        with pytest.raises(DataError) as refused:
            look()
        assert str(refused.value).startswith(said)
    assert pool.path(1).read_bytes() == data
    pool.path(1).write_bytes(whole.read_bytes())
    pool.shard(1, 1).close()  # the refused one has let go of the lock


def test_a_file_of_other_columns_is_no_shard(tmp_path: Path) -> None:
    pool = Pool.create(tmp_path, ONE)
    other = pa.schema([("trajectory", pa.int32())])
    pool.path(1).write_bytes(other.serialize().to_pybytes())
    with pytest.raises(DataError, match="no shard of a pool, or one of another version: its columns are others"):
        pool.shard(1, 1)


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.datasets.pools.made import fill
from tests.datasets.pools.test_shard import COUNT, ONE
written, times = os.pwrite, []
def half(handle, data, at):
    times.append(at)
    if len(times) == 4:  # the schema, two trajectories, and half of the third
        written(handle, bytes(data)[: len(data) // 2], at)
        os.kill(os.getpid(), signal.SIGKILL)
    return written(handle, data, at)
os.pwrite = half
fill(Path(sys.argv[1]), COUNT, ONE)
"""


def test_killed_while_writing_it_loses_that_trajectory_alone(whole: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    dead = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], env=env, capture_output=True, text=True)
    assert dead.returncode == -signal.SIGKILL, dead.stderr
    pool = Pool.open(tmp_path)
    assert numbers(pool.path(1)) == [0, 1]
    assert read_shard(pool.path(1)).torn > 0
    fill(tmp_path, COUNT, ONE)
    assert pool.path(1).read_bytes() == whole.read_bytes()


def test_two_writers_are_refused_and_readers_are_not(tmp_path: Path) -> None:
    pool = fill(tmp_path, 3)
    with pool.shard(1, 2) as first, pool.shard(2, 2):
        with pytest.raises(DataError) as refused:
            pool.shard(1, 2)
        assert str(refused.value) == f"{first.path}: another process is writing to this shard"
        assert numbers(first.path) == [0, 2]
        assert first.append(4, trajectory(CARD, 4)).equals(read_shard(first.path).batches[-1])
        assert numbers(first.path) == [0, 2, 4]
    pool.shard(1, 2).close()


def test_what_the_card_does_not_say_is_not_written(tmp_path: Path) -> None:
    pool, rows = Pool.create(tmp_path, CARD), trajectory(CARD, 0)
    small = [rows[0]._replace(image=rows[0].image[:, :8]), *rows[1:]]
    with pool.shard(1, 2) as shard:
        shard.append(0, rows)
        before = shard.path.read_bytes()
        for number, given, said in (
            (0, rows, "trajectory 0 is there"),
            (1, rows, "trajectory 1 is of another shard"),
            (-2, rows, "trajectory -2 is of another shard"),
            (2, rows[1:], "a trajectory has 4 images, got 3"),
            (2, small, r"its images are 16x16, got \(3, 8, 16\)"),
        ):
            with pytest.raises(ValueError, match=said):
                shard.append(number, given)
        assert (shard.done, shard.size) == ({0}, 4)
        assert shard.path.read_bytes() == before


def test_a_full_disk_leaves_no_half_trajectory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = Pool.create(tmp_path, ONE)
    with pool.shard(1, 1) as shard:
        shard.append(0, trajectory(ONE, 0))
        real = os.pwrite
        monkeypatch.setattr(os, "pwrite", lambda handle, data, at: real(handle, bytes(data)[:50], at))
        with pytest.raises(DataError, match=r"only 50 of \d+ bytes were written; nothing is lost, go on later"):
            shard.append(1, trajectory(ONE, 1))
        monkeypatch.setattr(os, "pwrite", real)
        assert shard.done == {0}
        shard.append(1, trajectory(ONE, 1))
    assert numbers(pool.path(1)) == [0, 1]
    assert read_shard(pool.path(1)).torn == 0
