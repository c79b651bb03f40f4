"""Where Ray keeps its sockets: ours alone, short enough, gone afterwards; and what /dev/shm has for its objects."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from dfkd_ray.tune import ray_folder
from dfkd_ray.tune.ray_folder import BELOW, KEPT, SOCKET, object_store, session
from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.locks import take

ROOM = SOCKET - BELOW


@pytest.fixture
def base(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a short path, which Ray is to use."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_it_is_ours_alone_and_gone_afterwards(base: Path) -> None:
    old = os.umask(0)
    try:
        with session() as made:
            assert made.folder.parent.parent == base
            assert stat.S_IMODE(made.folder.parent.stat().st_mode) == 0o700
            assert not made.folder.exists(), "Ray makes it, and opens it to everybody"
            made.logs.mkdir(parents=True)
    finally:
        os.umask(old)
    assert [*base.iterdir()] == []


def test_that_of_a_ray_that_did_not_start_stays_for_its_logs(base: Path) -> None:
    with session() as made:
        made.kept = True
    assert made.folder.parent.is_dir()


def test_the_longest_path_of_a_socket_fits(base: Path) -> None:
    with session() as made:
        name = "session_2026-12-31_23-59-59_999999_4194304/sockets/plasma_store"
        above = len(os.fsencode(base))
        assert len(os.fsencode(made.folder / name)) - above + ROOM <= SOCKET


def test_a_folder_with_a_long_path_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    long = tmp_path / ("x" * 40)
    long.mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with session() as made:
        assert made.folder.parent.parent == Path("/tmp")
    monkeypatch.setenv("RAY_TMPDIR", str(long))
    with pytest.raises(StudyError) as refused, session():
        pytest.fail("it is not entered")
    assert str(refused.value) == (
        f"Ray keeps its sockets in a folder with a path of at most {ROOM} bytes that this user may write, and none of "
        f"these is one: {long}; name one in RAY_TMPDIR, or say --runner serial"
    )


def test_where_tmp_may_not_be_written_there_is_the_users_own_folder(
    base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may = os.access
    monkeypatch.delenv("RAY_TMPDIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(base))
    monkeypatch.setattr(os, "access", lambda path, how: str(path) == str(base) and may(path, how))
    with session() as made:
        assert made.folder.parent.parent == base


def test_what_killed_processes_left_over_goes_after_a_day(base: Path) -> None:
    names = ("old", "young", "alive", "of another program")
    folders = {name: base / f"{ray_folder.PREFIX}{name}" for name in names}
    for name, folder in folders.items():
        folder.mkdir()
        if name != "of another program":
            (folder / "lock").touch()
    held = take(folders["alive"] / "lock")
    for name in ("old", "alive", "of another program"):
        then = folders[name].stat().st_mtime - KEPT - 60
        os.utime(folders[name], (then, then))
    (base / f"{ray_folder.PREFIX}link").symlink_to(folders["alive"])
    with session():
        pass
    held.release()
    assert {name for name, folder in folders.items() if folder.exists()} == {*names} - {"old"}


@pytest.mark.parametrize(
    ("free", "size", "said"),
    [
        (24 << 30, 1 << 30, None),
        (1 << 30, 1 << 30, None),
        (
            300 << 20,
            270 << 20,
            "/dev/shm has 300 MB free, Ray would take 1024 MB: its objects go in 270 MB of it; "
            "delete files there, or give a container more by --shm-size=2g",
        ),
        (
            64 << 20,
            1 << 30,
            "/dev/shm has 64 MB free, Ray would take 1024 MB: its objects go on the disk, which is slower; "
            "delete files there, or give a container more by --shm-size=2g",
        ),
        (0, 1 << 30, "/dev/shm has 0 MB free"),
    ],
)
def test_objects_take_what_is_there(free: int, size: int, said: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda path: SimpleNamespace(f_bavail=free // 4096, f_frsize=4096))
    found, told = object_store()
    assert found == size
    assert told == said or (said is not None and told is not None and told.startswith(said))


def test_a_system_without_shared_memory_says_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ray_folder, "SHM", tmp_path / "none")
    assert object_store() == (1 << 30, None)
