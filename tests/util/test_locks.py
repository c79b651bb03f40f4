"""Locks: one holder among processes and threads, named, and never longer than it lives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import pytest

from dfkd_ray.util.locks import Taken, alone, holder, take

ROOT = Path(__file__).parents[2]


@contextmanager
def process(code: str, path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another Python, which has said its first line; it is killed when the block ends."""
    head = "import os, sys, time\nfrom pathlib import Path\nfrom dfkd_ray.util.locks import alone, take\n"
    words = [sys.executable, "-c", f"{head}path = Path(sys.argv[1])\n{code}", str(path)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env={"PYTHONPATH": str(ROOT)}, text=True) as other:
        try:
            yield other
        finally:
            other.kill()


def said(other: subprocess.Popen[str]) -> str:
    assert other.stdout is not None
    return other.stdout.readline().strip()


def test_the_holder_is_named_until_it_lets_go(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    lock = take(path)
    for _ in range(2):  # the refusal changes nothing
        with pytest.raises(Taken, match=f"^process {os.getpid()} on {socket.gethostname()}$"):
            take(path)
    lock.release()
    take(path).release()
    assert path.exists()


def test_another_process_holds_it_until_it_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with process("lock = take(path); print('held', flush=True); time.sleep(60)", path) as other:
        assert said(other) == "held"
        with pytest.raises(Taken, match=f"^process {other.pid} on "):
            take(path)
        other.kill()
        other.wait()
        take(path).release()


def test_a_forked_child_does_not_hold_what_its_killed_parent_held(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    code = """
lock = take(path)
if not os.fork():
    print(os.getpid(), flush=True)  # by itself, once it has run what filelock does in a child
time.sleep(60)
"""
    with process(code, path) as other:
        child = int(said(other))
        try:
            with pytest.raises(Taken, match=f"^process {other.pid} on "):
                take(path)
            other.kill()
            other.wait()
            os.kill(child, 0)  # it lives
            take(path).release()
        finally:
            os.kill(child, signal.SIGKILL)


def test_what_was_locked_before_may_be_renamed(tmp_path: Path) -> None:
    (tmp_path / "study").mkdir()
    lock = take(tmp_path / "study" / "a.lock")
    (tmp_path / "study").rename(tmp_path / "aside")
    lock.release()
    take(tmp_path / "aside" / "a.lock").release()


def test_one_thread_at_a_time_and_nothing_is_left_in_the_folder(tmp_path: Path) -> None:
    inside, most = 0, []

    def work() -> None:
        nonlocal inside
        for _ in range(3):
            with alone(tmp_path):
                inside += 1
                time.sleep(0.002)  # another thread has its turn
                most.append(inside)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1] * 12
    assert list(tmp_path.iterdir()) == []


def test_who_waits_for_a_process_goes_on_when_that_is_killed(tmp_path: Path) -> None:
    with process("with alone(path): print('held', flush=True); time.sleep(60)", tmp_path) as other:
        assert said(other) == "held"
        timer = threading.Timer(0.2, other.kill)
        timer.start()
        with alone(tmp_path):
            assert other.wait() == -signal.SIGKILL
        timer.join()


def test_without_locks_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(handle: int) -> None:
        raise OSError(37, "No locks available")

    monkeypatch.setattr(filelock, "lock_descriptor", none)
    with alone(tmp_path):
        pass


def test_whoever_looks_is_told_the_holder_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert holder(path) is None
    assert not path.exists()
    with process("lock = take(path)\nprint('held', flush=True)\ntime.sleep(60)", path) as other:
        assert said(other) == "held"
        assert holder(path) == f"process {other.pid} on {socket.gethostname()}"
        with pytest.raises(Taken):
            take(path)
    other.wait()
    assert holder(path) is None, "a lock ends with its process, whatever its file says"
    assert path.read_text() == f"process {other.pid} on {socket.gethostname()}\n"


def test_a_lock_that_somebody_looks_at_is_taken_all_the_same(tmp_path: Path) -> None:
    """A look holds the lock for a moment: one that lasts a tenth of a second keeps nobody out."""
    path = tmp_path / "lock"
    path.touch()
    handle = os.open(path, os.O_RDONLY)
    assert filelock.lock_descriptor(handle, blocking=False)
    threading.Timer(0.05, os.close, (handle,)).start()
    take(path).release()
