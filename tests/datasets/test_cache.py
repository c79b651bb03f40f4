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


def test_a_flipped_bit_is_said_and_the_cache_is_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "x.npy"
    kept(path, "memmap", counting)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        np.testing.assert_array_equal(kept(path, "memmap", counting), np.arange(24, dtype=np.uint8).reshape(2, 3, 4))
        said = capsys.readouterr().err
        assert (said, path.read_bytes()) == (
            f"warning: {path}: this cache of images is damaged, and made again\n",
            whole,
        ) or whole.index(b"sealed") <= place < whole.index(b"sealed") + 14


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
