from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from dfkd_ray.datasets.cache import Cache, kept
from dfkd_ray.util.errors import DataError


def counting(file: BinaryIO) -> tuple[int, ...]:
    file.write(bytes(range(24)))
    return 2, 3, 4


@pytest.mark.parametrize("cache", ["memmap", "memory"])
def test_bytes_become_an_array_of_the_shape_that_is_known_at_the_end(tmp_path: Path, cache: Cache):
    got = kept(tmp_path / "a" / "x.npy", cache, counting)
    np.testing.assert_array_equal(got, np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
    assert got.flags.writeable
    assert isinstance(got, np.memmap) == (cache == "memmap")
    if cache == "memmap":
        np.testing.assert_array_equal(np.load(tmp_path / "a" / "x.npy"), got)
        assert [path.name for path in (tmp_path / "a").iterdir()] == ["x.npy"]
    else:
        assert not (tmp_path / "a").exists()


def test_what_is_there_is_not_written_again(tmp_path: Path):
    first = kept(tmp_path / "x.npy", "memmap", counting)

    def refuse(file: BinaryIO) -> tuple[int, ...]:
        raise AssertionError("written again")

    np.testing.assert_array_equal(kept(tmp_path / "x.npy", "memmap", refuse), first)


def test_a_full_disk_leaves_nothing(tmp_path: Path):
    def full(file: BinaryIO) -> tuple[int, ...]:
        file.write(b"half")
        raise OSError(28, "No space left on device")

    with pytest.raises(DataError, match=r"x.npy: this cache .*or --cache memory\): .*No space left"):
        kept(tmp_path / "x.npy", "memmap", full)
    assert not [*tmp_path.iterdir()]


def test_what_a_killed_process_left_is_removed(tmp_path: Path):
    (tmp_path / ".x.npy.1").write_bytes(b"half of it")
    kept(tmp_path / "x.npy", "memmap", counting)
    assert [path.name for path in tmp_path.iterdir()] == ["x.npy"]
