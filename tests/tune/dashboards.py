"""A cluster with a dashboard, for the tests of jobs."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.tune.holder import Holder


@contextmanager
def dashboard() -> Iterator[str]:
    """Its address; skips where the extra `cluster` is not installed. A job finds this Python, and the package."""
    pytest.importorskip("aiohttp_cors", reason="the extra `cluster` is not installed")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with Holder({"PATH": path}, num_cpus=2, include_dashboard=True, dashboard_port=port) as holder:
        yield holder.dashboard
