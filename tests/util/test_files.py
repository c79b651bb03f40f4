from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dfkd_ray.util.files import anchored, append, atomic_write, remove_leftovers, replace, sync_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_takes_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["a.bin"]


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("x")])
def test_what_fails_leaves_the_earlier_file_and_nothing_else(tmp_path: Path, error: BaseException) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic_write(path) as file:
            file.write(b"half")
            raise error

    with pytest.raises(type(error)):
        fail()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["a.bin"]


def test_a_full_disk_is_told_with_the_name_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught, atomic_write(tmp_path / "a.bin") as file:
        file.write(b"x")
    assert (caught.value.errno, caught.value.filename) == (28, str(tmp_path / "a.bin"))
    assert names(tmp_path) == []


@pytest.mark.parametrize("earlier", [None, "other.bin"])
def test_a_folder_takes_its_name_with_all_that_is_in_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, earlier: str | None
) -> None:
    beside, path = tmp_path / ".beside", tmp_path / "out"
    (beside / "deep").mkdir(parents=True)
    for name in ("a.bin", "deep/b.bin"):
        (beside / name).write_bytes(b"new")
    if earlier is not None:
        path.mkdir()
        (path / earlier).write_bytes(b"old")
    synced, fsync = [], os.fsync
    monkeypatch.setattr(
        os, "fsync", lambda handle: (synced.append(os.readlink(f"/proc/self/fd/{handle}")), fsync(handle))
    )
    replace(beside, path)
    assert sorted(synced) == [str(beside / "a.bin"), str(beside / "deep/b.bin")]
    assert sorted(str(each.relative_to(path)) for each in path.rglob("*")) == ["a.bin", "deep", "deep/b.bin"]
    assert names(tmp_path) == ["out"]


def test_what_cannot_take_its_name_is_told_with_that_name(tmp_path: Path) -> None:
    (tmp_path / "beside").write_bytes(b"new")
    with pytest.raises(FileNotFoundError) as caught:
        replace(tmp_path / "beside", tmp_path / "nowhere" / "a.bin")
    assert caught.value.filename == str(tmp_path / "nowhere" / "a.bin")


def test_what_a_killed_process_left_is_removed_and_no_more(tmp_path: Path) -> None:
    for name in (".a[1].bin.77", ".a[1].bin.8", ".a1.bin.77", "a[1].bin", ".other.bin.77"):
        (tmp_path / name).write_bytes(b"torn")
    remove_leftovers(tmp_path / "a[1].bin")
    assert names(tmp_path) == [".a1.bin.77", ".other.bin.77", "a[1].bin"]


def test_an_end_is_appended_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log"
    handle = os.open(path, os.O_RDWR | os.O_CREAT)
    end = append(handle, b"one", 0)
    assert (end, path.read_bytes()) == (3, b"one")
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda to, data, at: pwrite(to, data[:1], at))
    with pytest.raises(OSError, match=r"only 1 of 3 bytes were written$"):
        append(handle, b"two", end)
    assert path.read_bytes() == b"one"
    monkeypatch.undo()
    assert append(handle, b"!", end) == 4
    os.close(handle)
    sync_folder(tmp_path)


FULL = """
import resource, signal, sys, torch
from pathlib import Path
from dfkd_ray.util.files import atomic_write
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with atomic_write(Path(sys.argv[1])) as file:
        torch.save(torch.zeros(99_999), file)
except OSError as error:
    print(error.strerror, error.filename)
"""


def test_what_a_library_makes_of_a_full_disk_is_told_as_it_was(tmp_path: Path) -> None:
    """torch says `unexpected pos 64 vs 0`."""
    path = tmp_path / "a.pt"
    done = subprocess.run(
        [sys.executable, "-c", FULL, path], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert (done.stdout, done.returncode) == (f"File too large {path}\n", 0), done.stderr
    assert names(tmp_path) == []


def test_a_name_is_a_path_where_a_root_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "mine.py").touch()
    (tmp_path / "mine.py").touch()
    monkeypatch.chdir(tmp_path)
    assert anchored("mine.py") == str(tmp_path / "mine.py")
    assert anchored("mine.py", tmp_path / "one", Path()) == str(tmp_path / "one" / "mine.py")
    assert anchored("one/../mine.py") == str(tmp_path / "mine.py")
    assert anchored("my.parts", tmp_path / "one", Path()) == "my.parts"
