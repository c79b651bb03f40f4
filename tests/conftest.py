"""One torch thread for a test process and all that it starts: bits depend on it, and tests run side by side."""

from __future__ import annotations

import os
import signal

import pytest

os.environ["OMP_NUM_THREADS"] = "1"  # before the first import of torch reads it
# What a shell starts in its background ignores Ctrl-C, and the tests have to send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.data_sets", "tests.s3"]


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that write many ledgers and cut no power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
