"""A cluster with a dashboard, for the tests of jobs."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def dashboard() -> Iterator[str]:
    """Its address; skips where the extra `cluster` is not installed. A job finds this Python, and the package."""
    pytest.importorskip("aiohttp_cors", reason="the extra `cluster` is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PATH": path}
    command = [sys.executable, "-m", "tests.tune.cluster", "dashboard"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as holder:  # type: ignore[call-overload]
        yield holder.stdout.readline().split()[-1]
        holder.communicate("")
