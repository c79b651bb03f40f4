"""Who listens on this machine: sockets of this very process, and tables written by hand."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from dfkd_ray.tune import ray_ports
from dfkd_ray.tune.ray_ports import Listener, described, foreign, listeners, open_ports

pytestmark = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs /proc")
CHILD = "import socket; s = socket.create_server(('0.0.0.0', 0)); print(s.getsockname()[1], flush=True); input()"
TABLE = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:18EB 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 71 1 f 100 0 0 10 0
   1: 00000000:18EC 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 72 1 f 100 0 0 10 0
   2: 0100007F:18ED 0100007F:18EB 01 00000000:00000000 00:00000000 00000000  1000        0 73 1 f 100 0 0 10 0
"""


def test_a_socket_on_all_interfaces_is_named_and_one_on_the_loopback_is_not() -> None:
    with socket.create_server(("127.0.0.1", 0)), socket.create_server(("", 0)) as everywhere:
        assert open_ports() == {"this process": [everywhere.getsockname()[1]]}
    assert open_ports() == {}


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6")
def test_both_families() -> None:
    with (
        socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as everywhere,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as loopback,
    ):
        assert open_ports() == {"this process": [everywhere.getsockname()[1]]}
        seen = {each.port: each.everywhere for each in listeners()}
        assert seen[loopback.getsockname()[1]] is False


def test_those_of_processes_that_it_has_started_are_named_after_their_program() -> None:
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", CHILD], text=True, **pipes) as child:  # type: ignore[call-overload]
        port = int(child.stdout.readline())
        found = open_ports()
        assert [*found.values()] == [[port]]
        assert all(name.startswith("python") for name in found)
        assert open_ports(child.pid) == {"this process": [port]}
        child.communicate("\n")
    assert open_ports() == {}


def test_what_the_system_says_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "tcp").write_text(TABLE)
    monkeypatch.setattr(ray_ports, "PROC", tmp_path)
    assert [*listeners()] == [Listener(6379, False, 1000, "71"), Listener(6380, True, 0, "72")]
    monkeypatch.setattr(os, "getuid", lambda: 1000)
    assert (foreign(6379), foreign(6380), foreign(1)) == (None, None, None)
    monkeypatch.setattr(os, "getuid", lambda: 1001)
    assert (foreign(6379), foreign(6380)) == (1000, None), "root's is nobody else's"
    monkeypatch.setattr(ray_ports, "PROC", tmp_path / "none")
    assert [*listeners()] == []


def test_in_one_line() -> None:
    assert described({"raylet": [3, 4], "gcs_server": [1]}) == "gcs_server 1, raylet 3 4"
