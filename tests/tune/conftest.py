"""The toys are a module that other processes import too: Ray's workers, drivers that are killed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ.setdefault("RAY_AUTH_MODE", "token")  # Ray reads it once, when it is imported


@pytest.fixture
def no_fsync(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that write many ledgers and cut no power."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
