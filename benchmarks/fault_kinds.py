"""The accidents of `faults.py`. Each makes one happen to a study at a place of its own, and sees it through to its end.

A kind returns what ended as it should not have, in words, or nothing. Times are drawn over the length of an undisturbed
study, bits over the length of a file.
"""

from __future__ import annotations

import ctypes
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from fault_study import Ended, Place

Kind = Callable[[Place, random.Random, float], str | None]
KINDS: dict[str, Kind] = {}


def kind(made: Kind) -> Kind:
    KINDS[made.__name__] = made
    return made


def finished(place: Place) -> str | None:
    """Resume until it is done; a study that was killed before its first record is started."""
    ended = place.resume() if place.begun else place.end(place.sweep(), "sweep")
    return None if ended.code == 0 else f"going on ended with {ended.code}"


@kind
def kill_9(place: Place, dice: random.Random, seconds: float) -> str | None:
    """Up to three times, each at any time."""
    place.struck(dice.uniform(0, seconds), signal.SIGKILL)
    for _ in range(dice.randrange(3)):
        pid = place.begin("resume", "out")
        time.sleep(dice.uniform(0, seconds))
        os.kill(pid, signal.SIGKILL)
        place.end(pid, "resume, killed")
    return finished(place)


def _interrupted(number: int) -> Kind:
    def struck(place: Place, dice: random.Random, seconds: float) -> str | None:
        ended = place.struck(dice.uniform(0.3, 0.9) * seconds, number)
        if ended.code not in (0, 130):
            return f"exit code {ended.code}"
        if ended.code == 130 and "interrupted; resume with: dfkd-ray resume out" not in ended.said:
            return "no resume line"
        return finished(place)

    return struck


for _number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
    KINDS[_number.name.lower()] = _interrupted(_number)


def _killed(place: Place, dice: random.Random, seconds: float) -> bytes:
    """A study that was killed midway; its ledger."""
    for _ in range(20):
        place.struck(dice.uniform(0.4, 0.9) * seconds, signal.SIGKILL)
        path = place.folder / "ledger.jsonl"
        if path.exists() and (data := path.read_bytes()).count(b"\n") > 2:
            return data
        place.run("sweep", "--help")
    raise RuntimeError("it was never killed midway")


@kind
def torn_tail(place: Place, dice: random.Random, seconds: float) -> str | None:
    """The last line of the ledger cut at any byte, as a crash of the machine leaves it."""
    data = _killed(place, dice, seconds)
    last = data.rstrip(b"\n").rindex(b"\n") + 1
    (place.folder / "ledger.jsonl").write_bytes(data[: dice.randrange(last, len(data))])
    return finished(place)


def _flip(path: Path, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)


@kind
def ledger_bit(place: Place, dice: random.Random, seconds: float) -> str | None:
    """One bit of the ledger, behind its first record: refused, repaired, and the lost is run again."""
    data = bytearray(_killed(place, dice, seconds))
    first = data.index(b"\n") + 1
    data[dice.randrange(first, len(data))] ^= 1 << dice.randrange(8)
    (place.folder / "ledger.jsonl").write_bytes(data)
    ended = place.resume()
    if ended.code == 0:  # the flipped bit made the last line a torn one
        return None
    if ended.code != 2 or "dfkd-ray repair out" not in ended.said:
        return f"a damaged ledger ends with {ended.code}"
    repaired = place.run("repair", "out")
    return f"repair ended with {repaired.code}" if repaired.code else finished(place)


def _checkpoints(place: Place) -> list[Path]:
    return [path for path in place.folder.glob("trials/*/checkpoint*") if path.is_file() and path.stat().st_size]


@kind
def checkpoint_bit(place: Place, dice: random.Random, seconds: float) -> str | None:
    """One bit of a checkpoint of the running trial."""
    for _ in range(50):
        _killed(place, dice, seconds)
        if there := _checkpoints(place):
            _flip(dice.choice(there), dice)
            return finished(place)
        _clear(place)
    return "no trial had a checkpoint"


@kind
def checkpoint_gone(place: Place, dice: random.Random, seconds: float) -> str | None:
    """The checkpoints of the running trial deleted, or the folder of all trials."""
    _killed(place, dice, seconds)
    for path in _checkpoints(place):
        path.unlink()
    return finished(place)


def _clear(place: Place) -> None:
    shutil.rmtree(place.folder, ignore_errors=True)


@kind
def table_bit(place: Place, dice: random.Random, seconds: float) -> str | None:
    """One bit of a table: a report refuses it, and `resume` makes it again from the ledger."""
    if wrong := finished(place):
        return wrong
    _flip(dice.choice(sorted(place.folder.glob("*.arrow"))), dice)
    if (ended := place.run("report", "out")).code != 2:
        return f"a report of a damaged table ends with {ended.code}"
    return finished(place)


@kind
def student_bit(place: Place, dice: random.Random, seconds: float) -> str | None:
    """One bit of a student: nobody evaluates it. It is put back for the comparison."""
    if wrong := finished(place):
        return wrong
    path = dice.choice(sorted(place.folder.glob("trials/*/student.safetensors")))
    before = path.read_bytes()
    _flip(path, dice)
    ended = place.run("evaluate", str(path.parent.relative_to(place.home)))
    path.write_bytes(before)
    return None if ended.code == 2 else f"a damaged student is evaluated ({ended.code})"


@kind
def race(place: Place, dice: random.Random, seconds: float) -> str | None:
    """Two processes go on with one study at the same time: one is refused, or comes when the other is done."""
    _killed(place, dice, seconds)
    pids = [place.begin("resume", "out") for _ in range(2)]
    codes = sorted(place.end(pid, "resume, one of two").code for pid in pids)
    return None if codes in ([0, 0], [0, 2]) else f"two at a time end with {codes}"


@kind
def disk_full(place: Place, dice: random.Random, seconds: float) -> str | None:
    """A disk of its own that is full from some moment on, and has room again later."""
    place.folder.mkdir()
    if not _mount(place.folder, 8):
        return "this needs the right to mount a tmpfs (root)"
    try:
        wrong = _filled(place, dice)
        if wrong is None:
            wrong = finished(place)
        if wrong is None:
            _copy_out(place)
        return wrong
    finally:
        _unmount(place.folder)
        kept = place.home / "kept"
        if kept.exists():
            place.folder.rmdir()
            kept.rename(place.folder)


def _filled(place: Place, dice: random.Random) -> str | None:
    """Run on a disk with a little room: it ends with the cause and the way on, and then there is room again."""
    filler = place.folder / ".filler"
    free = os.statvfs(place.folder).f_bavail * os.statvfs(place.folder).f_frsize
    with filler.open("wb") as file:
        file.write(bytes(max(0, free - dice.randrange(0, 1_500_000))))
    ended: Ended = place.end(place.sweep(), "sweep on a full disk")
    filler.unlink()
    if ended.code not in (0, 2, 130):
        return f"a full disk ends with {ended.code}"
    return None if ended.code == 0 or "no space left" in ended.said.lower() else "the cause is not told"


def _copy_out(place: Place) -> None:
    shutil.copytree(place.folder, place.home / "kept")


_LIBC = ctypes.CDLL(None, use_errno=True)
_private: list[bool] = []


def _mount(folder: Path, megabytes: int) -> bool:
    """A tmpfs that this process and its children alone see."""
    if not _private:
        alone = _LIBC.unshare(0x00020000) == 0  # CLONE_NEWNS
        _private.append(alone and _LIBC.mount(b"none", b"/", None, 0x4000 | 0x40000, None) == 0)  # MS_REC | MS_PRIVATE
    options = f"size={megabytes}m".encode()
    return _private[0] and _LIBC.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, options) == 0


def _unmount(folder: Path) -> None:
    _LIBC.umount2(str(folder).encode(), 2)  # MNT_DETACH
