"""One torch thread for a test process and all that it starts: bits depend on it, and tests run side by side."""

from __future__ import annotations

import os
import signal

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before the first import of torch reads it
# What a shell starts in its background ignores Ctrl-C, under nohup the end of its terminal; the tests send both.
for ignored, usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(ignored) is signal.SIG_IGN:
        signal.signal(ignored, usual)

pytest_plugins = ["tests.data_sets", "tests.s3"]


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that write many ledgers and cut no power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
