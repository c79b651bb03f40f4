"""Where a Ray of one's own keeps its sockets and logs, and how much memory its objects may take.

Ray makes the folder that it is given writable for everybody (0777), and so all that it puts in: under /tmp/ray others
could replace its sockets, and a /tmp/ray that belongs to somebody else keeps it from starting at all. So it gets one
inside a folder that is ours alone (0700). Imports no Ray itself.
"""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from dfkd_ray.util.errors import StudyError
from dfkd_ray.util.locks import Taken, take

PREFIX = "dfkdray-"
INNER = "r"  # what Ray gets, and opens to everybody: its parent is closed
NAMED = "RAY_TMPDIR"  # Ray's own name for it
SOCKET = 107  # bytes of the path of a Unix socket
BELOW = len(f"/{PREFIX}12345678/{INNER}/session_2026-01-01_00-00-00_000000_1234567/sockets/plasma_store.1")
KEPT = 24 * 3600  # seconds for which the folder of a session that was killed stays, for who wants to read its logs
SHM = Path("/dev/shm")  # only its size is read  # nosec B108
SHORT = "/tmp"  # mkdtemp makes one of our own in it  # nosec B108
STORE = 1 << 30  # bytes: Ray's objects are the work's parcel (a teacher, mostly) once, and small rows
LEAST = 100 << 20  # bytes: Ray itself refuses less than 75 MB


@dataclass
class Session:
    """`folder`: for Ray. `kept`: whether it stays when the block ends."""

    folder: Path
    kept: bool = False

    @property
    def logs(self) -> Path:
        return self.folder / "session_latest" / "logs"


@contextmanager
def session() -> Iterator[Session]:
    """A folder for one Ray, nobody else's, gone afterwards; those that killed processes left over a day ago go too.

    StudyError where no folder has a path that is short enough.
    """
    base = _base()
    _remove_stale(base)
    outer = Path(tempfile.mkdtemp(prefix=PREFIX, dir=base))
    lock = take(outer / "lock")
    made = Session(outer / INNER)
    try:
        yield made
    finally:
        lock.release()
        if not made.kept:
            shutil.rmtree(outer, ignore_errors=True)


def _base() -> Path:
    """The first folder that may be written and leaves room for the names of Ray's sockets."""
    named = os.environ.get(NAMED)
    candidates = [named] if named else [tempfile.gettempdir(), SHORT, os.environ.get("XDG_RUNTIME_DIR", SHORT)]
    for folder in map(os.path.abspath, candidates):
        if len(os.fsencode(folder)) + BELOW <= SOCKET and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    raise StudyError(
        f"Ray keeps its sockets in a folder with a path of at most {SOCKET - BELOW} bytes that this user may write, "
        f"and none of these is one: {', '.join(dict.fromkeys(candidates))}; name one in {NAMED}, or say --runner serial"
    )


def _remove_stale(base: Path) -> None:
    for outer in base.glob(f"{PREFIX}*"):
        try:
            told = outer.lstat()
            ours = stat.S_ISDIR(told.st_mode) and told.st_uid == os.getuid() and (outer / "lock").is_file()
            if not ours or time.time() - told.st_mtime < KEPT:
                continue
            take(outer / "lock").release()  # of a process that is alive: Taken
        except (OSError, Taken):
            continue
        shutil.rmtree(outer, ignore_errors=True)


def object_store() -> tuple[int, str | None]:
    """(bytes that Ray's objects may take, what is to be said of /dev/shm or None).

    Ray alone would take a third of the memory, or what /dev/shm has. Where that has too little, it keeps the objects in
    files of the session's folder.
    """
    try:
        there = os.statvfs(SHM)
    except OSError:  # not on this system
        return STORE, None
    free = there.f_bavail * there.f_frsize
    if free >= STORE:
        return STORE, None
    few = free < LEAST
    how = "on the disk, which is slower" if few else f"in {free * 9 // 10 >> 20} MB of it"
    size = STORE if few else free * 9 // 10
    return size, (
        f"{SHM} has {free >> 20} MB free, Ray would take {STORE >> 20} MB: its objects go {how}; "
        f"delete files there, or give a container more by --shm-size=2g"
    )
